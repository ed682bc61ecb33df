-- Health of an apps/Deployment, for Argo CD, which has no other check beside this one.
--
-- A plain Deployment is judged as Argo CD does by itself. Sluice keeps the Deployment of a Rollout
-- paused for good: that says nothing, and what runs is judged instead. A template that is not
-- released (yet) has no updated pods, so it is Progressing from the very change on.

local spec, status, meta = obj.spec or {}, obj.status or {}, obj.metadata
local adopted = (meta.labels or {})["sluice.dev/rollout"] ~= nil

local wanted = spec.replicas
local total = status.replicas or 0
local updated = status.updatedReplicas or 0
local available = status.availableReplicas or 0

local function progressing(message)
  return {status = "Progressing", message = message}
end

if spec.paused and not adopted then
  return {status = "Suspended", message = "The Deployment is paused"}
end
if (status.observedGeneration or 0) < meta.generation then
  return progressing("The Deployment's last change has not been seen by its controller yet")
end
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Progressing" and condition.reason == "ProgressDeadlineExceeded" then
    return {status = "Degraded", message = "The Deployment has exceeded its progress deadline"}
  end
end
if wanted ~= nil and updated < wanted then
  return progressing(updated .. " of " .. wanted .. " pods have the Deployment's template")
end
if total > updated then
  return progressing((total - updated) .. " pods of an earlier template are left")
end
if available < updated then
  return progressing(available .. " of " .. updated .. " pods are available")
end
return {status = "Healthy", message = ""}
