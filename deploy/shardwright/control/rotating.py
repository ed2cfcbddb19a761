"""Changes the password of a running cluster: admits the new one, lets the servers use it, refuses the old one at the end.

`Rotation` is the only one in a run that logs in with anything but `security.password`. Nothing is remembered from one run
to the next: who takes what is asked, so a run that was killed is simply continued. Each phase is proved by new logins,
since a connection that is open says nothing about who may come in.

The decision a reader would question: no link is broken to prove that it could be made anew, since a new login of ours with
what the server holds in `masterauth` proves the same and refuses no write.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..core.logins import ASKED, admit_commands, passwords, retire_commands, standing, use_commands, valid
from ..core.planning.rotating import admit_phase, retire_phase, use_phase
from ..core.report_text import count
from ..errors import ApplyError, ObservationError
from ..model.endpoint import Endpoint
from ..model.observation import Silence
from ..model.plan import AdmitPassword, Phase, RetirePassword, Step, UsePassword
from ..model.progress import Moment, Progress, ProgressEvent, silent
from ..model.secret import Secret
from ..model.spec import Security
from ..model.standing import Given, Standing
from ..ports import Answer, Command, ReplyError, Transport

Knock = Callable[[Secret | None], Transport]
"""Makes a transport that logs in with just this password, or with nothing."""
TIMEOUT = 5.0
"""Seconds that one server has for one question or change, connecting included."""
_ABSENT = "refused"
"""Reason of a silence: nothing listens there. Such a server reads its file when it starts."""


@dataclass(frozen=True, slots=True)
class Survey:
    """How each server stands, which password it was entered with, and why others gave no answer."""

    standings: Mapping[Endpoint, Standing]
    entered: Mapping[Endpoint, Given]
    silences: Mapping[Endpoint, Silence]

    @property
    def refusing(self) -> tuple[Endpoint, ...]:
        """Servers that refuse every password of `cluster.yml`."""
        return tuple(sorted(e for e, s in self.silences.items() if s.reason == "unauthorised"))

    @property
    def unheard(self) -> tuple[Endpoint, ...]:
        """Servers that may run and were not heard."""
        return tuple(sorted(e for e, s in self.silences.items() if s.reason != _ABSENT))

    @property
    def open(self) -> bool:
        """Whether servers that run have no password yet."""
        return any(standing.open for standing in self.standings.values())


@dataclass
class Rotation:
    """The passwords of one cluster, and ways to log in with each.

    Args:
        security: what `cluster.yml` says.
        main: the run's transport, which logs in with `security.password`.
        knock: opens another one that logs in with just this, or with nothing.
        writes_files: whether the same run brings the servers' files in line; else a restart brings the old one back.
        retires: whether anything may be refused in the end.
        begun: whether the same run has changed passwords before this.
    """

    security: Security
    main: Transport
    knock: Knock = field(repr=False)
    writes_files: bool = True
    retires: bool = True
    begun: bool = False
    done: list[Phase] = field(default_factory=list)

    @property
    def stale_files(self) -> bool:
        """Whether running servers were changed by this run, and their files were not."""
        return (self.begun or bool(self.done)) and not self.writes_files

    def survey(self, endpoints: Iterable[Endpoint], *, anew: bool = False) -> Survey:
        """Ask every server, with the first password that it takes; `anew`: by new logins only."""
        left = dict.fromkeys(endpoints)
        standings: dict[Endpoint, Standing] = {}
        entered: dict[Endpoint, Given] = {}
        silences: dict[Endpoint, Silence] = {}
        doors = [*passwords(self.security)] or [Given.NOTHING]
        for given in doors:
            known = given is doors[0] and not anew
            asked = dict.fromkeys(left, ASKED)
            answers = self.main.ask(asked, timeout=TIMEOUT) if known else self.ask_as(given, asked)
            for endpoint, answer in answers.items():
                try:
                    standings[endpoint] = standing([] if isinstance(answer, Silence) else answer, self.security)
                except ObservationError as error:
                    unread = Silence(endpoint, "unreadable", error.message)
                    silences[endpoint] = answer if isinstance(answer, Silence) else unread
                    continue
                entered[endpoint] = given
                silences.pop(endpoint, None)
            left = dict.fromkeys(e for e in left if e in silences and silences[e].reason == "unauthorised")
        return Survey(standings, entered, silences)

    def forecast(self, found: Survey) -> tuple[tuple[Phase, ...], tuple[Phase, ...]]:
        """The phases before and after all others, as far as they can be told from here."""
        wanted = valid(self.security)
        before = admit_phase(found.standings, wanted), use_phase(found.standings)
        after = retire_phase(found.standings, wanted)
        return tuple(p for p in before if p is not None), (after,) if after is not None else ()

    def admit(self, endpoints: Iterable[Endpoint], progress: Progress = silent) -> bool:
        """Let every running server take the password and replicate with it; nothing that is taken is refused.

        Gives whether servers are still open, to be closed at the end.

        Raises:
            ObservationError: ``password-refused`` or ``password-untold``; nothing was changed.
            ApplyError: ``password-not-admitted``: some servers did not do as they were told.
        """
        if self.security.password is None:
            return False
        everyone = tuple(endpoints)
        found = self.survey(everyone)
        if found.refusing:
            raise refused(found.refusing, self.security)
        if not any(self.forecast(found)[0]):
            return found.open
        if found.unheard:
            raise ObservationError(
                "password-untold",
                f"{_listed(found.unheard)} did not say which passwords they take "
                f"({found.silences[found.unheard[0]].detail}); nothing was changed",
                hint="bring them back or stop them; a server that takes only the old password would be cut off",
            )
        for plan_phase in (lambda s: admit_phase(s, valid(self.security)), use_phase):
            found = self._carry_out(plan_phase, found, progress)
        return found.open

    def retire(
        self, endpoints: Iterable[Endpoint], progress: Progress = silent, *, read: Collection[str] | None = None
    ) -> None:
        """Let every server refuse what is no longer to be taken. For a cluster that is whole.

        Args:
            endpoints: all servers.
            progress: hears of it.
            read: the steps of a plan that was read before, as they are worded; nothing is refused that is not in it.

        Raises:
            ApplyError: ``password-not-admitted``: some servers don't take or use the new one, so that nothing was refused;
                or they did not do as they were told.
        """
        if self.security.password is None or not self.retires:
            return
        wanted = valid(self.security)
        found = self.survey(endpoints)
        phase = retire_phase(found.standings, wanted)
        if phase is None or (read is not None and any(str(step) not in read for step in phase.steps)):
            return
        unready = {e for e, s in found.standings.items() if (not s.open and wanted - s.takes) or not s.replicates}
        unready |= set(found.unheard)
        if unready:
            raise _not_admitted(unready, "do not take the new password, or do not replicate with it")
        found = self._carry_out(lambda s: retire_phase(s, wanted), found, progress)
        self._carry_out(use_phase, found, progress)

    def entering(self, found: Survey) -> Transport:
        """A transport that enters each server as the survey did; for looks only."""
        return _Doors(self, found)

    def around(self, phases: Sequence[Phase]) -> list[Phase]:
        """What was done by now in its order: before `phases` what they need, and after them the rest."""
        first = next((n for n, p in enumerate(self.done) if isinstance(p.steps[0], RetirePassword)), len(self.done))
        return [*self.done[:first], *phases, *self.done[first:]]

    def takers(self, given: Given, endpoints: Iterable[Endpoint]) -> tuple[dict[Endpoint, bool], tuple[Endpoint, ...]]:
        """Whether each server lets a new connection in with `given`, and those that gave no answer."""
        answers = self.ask_as(given, dict.fromkeys(endpoints, (("PING",),)))
        lets_in = {e: not isinstance(a, Silence) and not isinstance(a[0], ReplyError) for e, a in answers.items()}
        unheard = {e for e, a in answers.items() if isinstance(a, Silence) and a.reason != "unauthorised"}
        return {e: takes for e, takes in lets_in.items() if e not in unheard}, tuple(sorted(unheard))

    def ask_as(self, given: Given, requests: Mapping[Endpoint, Sequence[Command]]) -> dict[Endpoint, Answer]:
        """By new connections, which are closed again."""
        if not requests:
            return {}
        transport = self.knock(passwords(self.security).get(given))
        try:
            return transport.ask(requests, timeout=TIMEOUT)
        finally:
            transport.close()

    def _carry_out(
        self, make: Callable[[Mapping[Endpoint, Standing]], Phase | None], found: Survey, progress: Progress
    ) -> Survey:
        """Carry out the phase, if there is one, and look again with new logins; gives what is then."""
        phase = make(found.standings)
        if phase is None:
            return found
        progress(ProgressEvent(Moment.STARTED, phase.name, count(len(phase.steps), "step")))
        refusals = self._send(phase, found)
        self.done.append(phase)
        after = self.survey([*found.standings, *found.silences], anew=True)
        left = make(after.standings)
        unmet = {step.node for step in left.steps} if left is not None else set()
        unmet |= {step.node for step in phase.steps if step.node not in after.standings}
        if unmet:
            progress(ProgressEvent(Moment.FAILED, phase.name))
            raise _not_admitted(unmet, f"did not do as they were told: '{phase.name}' {refusals}".rstrip())
        progress(ProgressEvent(Moment.FINISHED, phase.name))
        return after

    def _send(self, phase: Phase, found: Survey) -> str:
        """Sends each step by the password that its server was entered with; gives the first word of a refusal."""
        said = ""
        for given in passwords(self.security):
            steps = [step for step in phase.steps if found.entered[step.node] is given]
            batches = {step.node: self._commands(step, found.standings[step.node]) for step in steps}
            for answer in self.ask_as(given, batches).values():
                replies = [] if isinstance(answer, Silence) else answer
                errors = [r.message.partition(" ")[0] for r in replies if isinstance(r, ReplyError)]
                said = said or f"({answer.reason})" if isinstance(answer, Silence) else said or " ".join(errors[:1])
        return said

    def _commands(self, step: Step, now: Standing) -> tuple[Command, ...]:
        match step:
            case AdmitPassword():
                return admit_commands(self.security)
            case UsePassword(user=user):
                return use_commands(self.security, user)
            case RetirePassword():
                return retire_commands(self.security, now)
            case _:
                raise ValueError(f"a {type(step).__name__} is no step of a rotation")


@dataclass
class _Doors:
    """`ports.Transport` over as many as there are passwords."""

    rotation: Rotation
    found: Survey

    def ask(self, requests: Mapping[Endpoint, Sequence[Command]], *, timeout: float) -> dict[Endpoint, Answer]:
        """See `ports.Transport.ask`."""
        others = {e: given for e, given in self.found.entered.items() if given is not Given.PASSWORD}
        answers = self.rotation.main.ask({e: b for e, b in requests.items() if e not in others}, timeout=timeout)
        for given in dict.fromkeys(others.values()):
            batches = {e: batch for e, batch in requests.items() if others.get(e) is given}
            answers |= self.rotation.ask_as(given, batches)
        return {endpoint: answers[endpoint] for endpoint in requests if endpoint in answers}

    def address(self, endpoint: Endpoint) -> str:
        """See `ports.Transport.address`."""
        return self.rotation.main.address(endpoint)

    def close(self) -> None:
        """See `ports.Transport.close`: nothing of its own is left open."""


def refused(endpoints: Sequence[Endpoint], security: Security, who: str = "") -> ObservationError:
    """``password-refused``: running servers take nothing that `cluster.yml` gives."""
    given = passwords(security)
    fields = " or ".join(f"security.{name.value}" for name in given) or "access without a password"
    return ObservationError(
        "password-refused",
        f"{who}{_listed(endpoints)} refused {fields}; nothing was changed",
        hint="give the password that the servers have; to change it, name it as security.previous beside the new one",
    )


def _not_admitted(endpoints: Iterable[Endpoint], why: str) -> ApplyError:
    return ApplyError(
        "password-not-admitted",
        f"{_listed(sorted(endpoints))} {why}",
        hint="no server was left that another can't log in to; see what it says, then run the same command again",
    )


def _listed(endpoints: Sequence[Endpoint]) -> str:
    shown = ", ".join(map(str, endpoints[:6]))
    return shown + (f" and {len(endpoints) - 6} more" if len(endpoints) > 6 else "")
