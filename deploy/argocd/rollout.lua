-- Health of a sluice.dev/Rollout, for Argo CD.
--
-- Its status follows kstatus: conditions Ready, Reconciling and Stalled, and observedGeneration. The
-- phase is needed for one thing alone, to tell a pause from progress.

local status = obj.status or {}

local function is_true(kind)
  for _, condition in ipairs(status.conditions or {}) do
    if condition.type == kind then
      return condition.status == "True"
    end
  end
  return false
end

local function verdict(health)
  return {status = health, message = status.message or ""}
end

if status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "Sluice has not seen this version of the Rollout yet"}
end
if is_true("Stalled") then
  return verdict("Degraded") -- RolledBack, Stalled, Invalid: nothing goes on before somebody acts
end
if status.phase == "Paused" then
  return verdict("Suspended")
end
if is_true("Ready") then
  return verdict("Healthy")
end
return verdict("Progressing")
