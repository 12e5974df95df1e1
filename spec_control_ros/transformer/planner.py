"""A planner that decodes actions with a Decision Transformer, from drafts of a small policy where that is wanted."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch
from jaxtyping import Float32

from spec_control_ros.core.decision import PlanRequest
from spec_control_ros.core.errors import PlanningError, SettingsError
from spec_control_ros.core.plan import Plan
from spec_control_ros.core.planner import PlannerSpec
from spec_control_ros.core.settings import Checked, setting
from spec_control_ros.core.tick_model import TickModel
from spec_control_ros.transformer.draft_length import DraftLength
from spec_control_ros.transformer.network import TOKENS, DecisionTransformer, KeyValueCache
from spec_control_ros.transformer.verification import DRAFTLESS, Rule, coupled, within
from spec_control_ros.world_model.plan_start import plan_start

Rows = Float32[np.ndarray, "row size"]


class Draft(str, Enum):
    """What drafts actions."""

    PRIOR = "prior"  # the policy of the world model
    NETWORK = "network"  # the small Transformer in the model's folder, trained to imitate the large one


@dataclass(frozen=True, slots=True)
class TransformerSettings(Checked):
    """Settings of the planner."""

    queue_length: int = setting(6, "Rows of a plan (K), at most the context of the network", low=1, high=1000)
    seed: int = setting(0, "Seed of sampled actions", low=0, high=2**31 - 1)
    asked_return: float = setting(0.0, "Return of an episode that is asked for; 0: as the model's card says")
    rule: Rule = setting(Rule.TOLERANCE, "When a drafted action is accepted")
    tolerance: float = setting(
        0.5,
        "Distance to the mean action up to which a draft is accepted, by component, in standard deviations",
        low=0.0,
    )
    draft: Draft = setting(Draft.PRIOR, "What drafts actions")
    context_ticks: int = setting(
        4, "Ticks before a plan that the network sees, as far as there is room; fewer take less time", low=0
    )
    draft_rows: int = setting(
        4,
        "Rows that are drafted for a pass; 0: as many as the acceptance so far makes worth while, so that rounding "
        "depends on the plans before",
        low=0,
    )
    draft_row_cost: float = setting(
        0.05, "Time that a drafted row takes, relative to a pass of the Transformer", low=0.0
    )


@dataclass(frozen=True, slots=True)
class _Memory:
    """The newest ticks of an epoch as they were planned, the first one `first_tick`."""

    epoch: int
    first_tick: int
    start_tick: int  # of the last plan
    latents: Rows
    actions: Rows


class TransformerPlanner:
    """A `core.planner.Planner`: the context is what earlier plans of the epoch planned, from the latents they began at.

    The row of a tick depends on its context and on the draft for it, and not on how many rows a pass verifies.

    Args:
        network: The Decision Transformer in inference mode, on the CPU.
        model: Encoder, policy and latent dynamics.
        draft: Small Transformer that drafts; None: the policy does.
        asked_return: Return that is asked for where the settings name none.

    Raises:
        SettingsError: the queue is longer than the context, the model has no policy or dynamics, or the draft's sizes
            are others.
    """

    def __init__(
        self,
        network: DecisionTransformer,
        model: TickModel,
        settings: TransformerSettings,
        draft: DecisionTransformer | None = None,
        *,
        asked_return: float,
        name: str,
        control_period_s: float,
    ):
        dims, length = network.dims, settings.queue_length
        if length > dims.context:
            raise SettingsError(
                f"queue_length: got {length}, expected at most the {dims.context} ticks that {name} looks at"
            )
        if model.policy is None or model.step is None:
            raise SettingsError(f"{name}: its world model has no policy or no dynamics to draft with")
        sizes = [(d.latent, d.action, d.context) for d in (dims, dims if draft is None else draft.dims)]
        if sizes[0] != sizes[1]:
            raise SettingsError(
                f"{name}: its draft network has latent, action and context {sizes[1]}, expected {sizes[0]}"
            )
        self._network, self._draft, self._model, self._settings = network, draft, model, settings
        self._policy, self._step = model.policy, model.step
        self._asked = settings.asked_return or asked_return
        self._std = network.std.detach().numpy()
        self._tolerance = settings.tolerance * self._std
        self.spec = PlannerSpec(
            name, model.obs_dim, model.action_dim, model.latent_dim, length, control_period_s
        )
        self._memory: _Memory | None = None
        rows = 1 if settings.rule in DRAFTLESS else settings.draft_rows
        self.drafts = DraftLength(rows, length, settings.draft_row_cost)

    def warm_up(self) -> None:
        """Decode once."""
        drafts, self.drafts = self.drafts, DraftLength(1, self.spec.queue_length, 0.0)
        self._decode(np.zeros(self.spec.latent_dim, np.float32), None, 0, 0)
        self.drafts = drafts

    def plan(self, request: PlanRequest) -> Plan:
        """See `core.planner.Planner`."""
        given = plan_start(request, self.spec)
        latent = given if request.observation is None else self._model.encode(given)
        epoch, tick = request.epoch, request.start_tick
        latents, actions = self._decode(latent, self._context(epoch, tick), epoch, tick)
        if not (np.isfinite(latents).all() and np.isfinite(actions).all()):
            raise PlanningError("planning: decoded rows are not finite; expected finite ones")
        plan = Plan(
            plan_id=0,
            epoch=epoch,
            start_tick=tick,
            observation_tick=request.tick,
            control_period_s=self.spec.control_period_s,
            actions=actions,
            latents=latents,
            optimised_horizon=len(actions),
            value=self._asked,
        )
        self.follow(plan)
        return plan

    def follow(self, plan: Plan) -> None:
        """See `core.planner.Planner`: its rows are part of the next context."""
        before = self._context(plan.epoch, plan.start_tick)
        latents, actions = plan.latents[:-1], plan.actions
        first = plan.start_tick
        if before is not None:
            latents, actions = (np.concatenate(p) for p in ((before[0], latents), (before[1], actions)))
            first -= len(before[0])
        self._memory = _Memory(plan.epoch, first, plan.start_tick, latents, actions)

    def reset(self) -> None:
        """See `core.planner.Planner`."""
        self._memory = None
        self.drafts.forget()

    def statistics(self) -> dict[str, object]:
        """See `core.planner.Planner`."""
        drafts = self.drafts
        return {"passes": drafts.passes, "rows": drafts.rows, "acceptance": drafts.acceptance}

    def _context(self, epoch: int, tick: int) -> tuple[Rows, Rows] | None:
        """Latents and actions of the ticks right before `tick`, as many as there is room for; None: none is known."""
        memory = self._memory
        s = self._settings
        room = min(self._network.dims.context - s.queue_length, s.context_ticks)
        if memory is None or memory.epoch != epoch or tick < memory.start_tick or not room:
            return None
        known = tick - memory.first_tick
        if not 0 < known <= len(memory.latents):
            return None
        first = max(0, known - room)
        return memory.latents[first:known], memory.actions[first:known]

    @torch.inference_mode()
    def _decode(
        self, latent: Float32[np.ndarray, "latent"], context: tuple[Rows, Rows] | None, epoch: int, tick: int
    ) -> tuple[Rows, Rows]:
        """Latents (K + 1, latent) and actions (K, action) from a latent on."""
        spec, before = self.spec, 0 if context is None else len(context[0])
        length, total = spec.queue_length, before + spec.queue_length
        latents = np.zeros((total + 1, spec.latent_dim), np.float32)
        actions = np.zeros((total, spec.action_dim), np.float32)
        if context is not None:
            latents[:before], actions[:before] = context
        latents[before] = latent
        rng = np.random.default_rng([self._settings.seed, epoch, tick])
        noise, uniform = rng.standard_normal((length, spec.action_dim)), 1.0 - rng.random(length)
        caches = [KeyValueCache(net.dims) for net in (self._network, self._draft) if net is not None]
        seen, given = torch.from_numpy(latents), torch.from_numpy(actions)
        row = before  # the first one that is not decided
        while row < total:
            last = min(row + self.drafts.best, total)
            drafted = self._drafted(latents, actions, range(row, last), noise[row - before :], caches[-1])
            means = self._network.means(self._asked, seen[:last], given[:last], caches[0]).numpy()[
                row - last :
            ]
            accepted = 0
            for i, mean in enumerate(means):
                k = row + i - before
                action, is_accepted = self._verified(drafted[i], mean, noise[k], float(uniform[k]))
                actions[row + i] = np.clip(action, -1.0, 1.0)
                if not is_accepted:
                    break
                accepted += 1
            self.drafts.count(len(means), accepted)
            decided = min(row + accepted + 1, last)
            latents[decided] = self._step(latents[decided - 1], actions[decided - 1])
            row = decided
            for cache in caches:
                cache.length = TOKENS * row - 1  # the newest decided action may have been replaced
        return latents[before:], actions[before:]

    def _drafted(
        self, latents: Rows, actions: Rows, rows: range, noise: np.ndarray, cache: KeyValueCache
    ) -> list[np.ndarray]:
        """Fill in the rows as the small network or the policy has them; returns the means that it drafted with."""
        drafted: list[np.ndarray] = []
        if self._settings.rule in DRAFTLESS:
            return [actions[0]] * len(rows)
        for i, row in enumerate(rows):
            drafted.append(self._draft_mean(latents[: row + 1], actions[: row + 1], cache))
            action = drafted[-1]
            if self._settings.rule is Rule.EXACT:
                action = action + self._std * noise[i]
            actions[row] = np.clip(action, -1.0, 1.0)
            if row + 1 < rows.stop:
                latents[row + 1] = self._step(latents[row], actions[row])
        return drafted

    def _draft_mean(self, latents: Rows, actions: Rows, cache: KeyValueCache) -> np.ndarray:
        """What the drafts are made with for the newest latent."""
        if self._draft is None:
            return self._policy(latents[-1])
        seen, given = torch.from_numpy(latents), torch.from_numpy(actions)
        return self._draft.means(self._asked, seen, given, cache)[-1].numpy()

    def _verified(
        self, drafted: np.ndarray, mean: np.ndarray, noise: np.ndarray, uniform: float
    ) -> tuple[np.ndarray, bool]:
        rule = self._settings.rule
        if rule is Rule.EXACT:
            return coupled(drafted, mean, self._std, noise, uniform)
        if rule in DRAFTLESS:
            return (mean + self._std * noise if rule is Rule.SAMPLE else mean), False
        return within(drafted, mean, self._tolerance)
