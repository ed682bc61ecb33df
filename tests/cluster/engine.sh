#!/usr/bin/env bash
# A Docker engine that answers: the one that runs, else one that is installed, else Debian's.
set -euo pipefail
. "$(dirname "$0")/env.sh"

answers() { docker info >/dev/null 2>&1; }

# forget PROGRAM FILE: remove the pid file of a program that was killed; its number may be another process by now, and
# the engine would wait for that one.
forget() { [[ ! -e $2 || $(cat "/proc/$(cat "$2")/comm" 2>/dev/null) == "$1" ]] || rm "$2"; }

start_by_hand() {   # in containers and bare virtual machines there is no systemd to do it
  local options=()
  if ! can_sys_resource; then
    # A copy outside the repository: the engine needs it for as long as it runs.
    install -m 755 "$SLUICE_ROOT/tests/cluster/runc-without-sys-resource" "$CACHE/"
    options=(--add-runtime "stripped=$CACHE/runc-without-sys-resource" --default-runtime stripped)
  fi
  forget dockerd /var/run/docker.pid
  forget containerd /var/run/docker/containerd/containerd.pid
  setsid nohup dockerd "${options[@]}" >"$CACHE/dockerd.log" 2>&1 </dev/null 9>&- &
  engine=$!
}

mkdir -p "$CACHE"
if answers; then
  can_sys_resource || [[ $(docker info --format '{{.DefaultRuntime}}') != runc ]] ||
    die "The Docker engine must be stopped and 'make cluster' run again: this host has no CAP_SYS_RESOURCE, and the engine was started without the runtime that does without it."
  exit
fi

[[ $(uname) == Linux ]] || die "Docker does not answer: start Docker Desktop (or another engine) and run this again."
[[ $(id -u) == 0 ]] || die "Docker does not answer, and only root can start it: start it, or run this as root."
if ! command -v dockerd >/dev/null; then
  say "Installing Docker from Debian's packages (about 40 seconds) ..."
  apt_install docker.io containerd runc iptables ||
    die "No Docker engine can run here: dockerd is not installed, and apt cannot install docker.io."
fi

say "Starting the Docker engine ..."
engine=""                      # its process, where we start it ourselves
if [[ -d /run/systemd/system ]]; then systemctl start docker || true; else start_by_hand; fi
for _ in $(seq 60); do
  if answers; then exit; fi
  [[ -z $engine ]] || kill -0 "$engine" 2>/dev/null || break
  sleep 0.5
done
die "No Docker engine can run here: dockerd does not answer (its last words: $(tail -1 "$CACHE/dockerd.log" 2>/dev/null || echo none))."
