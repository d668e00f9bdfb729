"""What Pulumi's engine does with a program's registrations: decide on a step for each resource, do it, keep the state.

A `Deployment` is one preview, update, refresh or destroy of one stack. The program's registrations call `register`,
`read` and `register_outputs` on worker threads, concurrently; `finish` then deletes what the program no longer names.
Every finished step is in the saved state before the next one can depend on it.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from local.plugin import Diff, Found, Plugin, PluginError
from local.progress import Progress
from local.properties import UNKNOWN, Properties, changed_paths, parse_path, with_asset_hashes, with_old_values, with_secrets_marked
from local.state import Change, Resource, State
from local.steps import NOT_COUNTED, Event, Failure, Goal, Op, ProgramError, Step, Stopped

UNPROTECT = "To unprotect the resource, remove the `protect` flag from the resource in your Pulumi program and run `pulumi up`"


class Deployment:
    """One run of the engine over one stack.

    state: what the last update left; changed in place.
    folder: the program's, which paths in assets are relative to.
    save: takes each change of the state before anything depends on it; None makes this a preview, which changes nothing.
    parallel: how many deletions or reads at once; registrations come on as many threads as the program has.
    """

    def __init__(
        self,
        *,
        project: str,
        stack: str,
        state: State,
        plugins: Mapping[str, Plugin],
        folder: Path,
        save: Callable[[Change], None] | None,
        listen: Callable[[Event], None] = lambda event: None,
        parallel: int = 16,
    ) -> None:
        self.project = project
        self.stack = stack
        self.folder = folder
        self.preview = save is None
        self.old_outputs = state.outputs()
        self.steps: list[Step] = []
        self.failures: list[Failure] = []
        self._progress = Progress(project, stack, state, save)
        self._plugins = plugins
        self._listen = listen
        self._parallel = parallel
        self._stopping = False
        self._changes: Counter[Op] = Counter()
        self._condemned: set[str] = set()
        self._lock = self._progress.lock
        self._listen_lock = threading.Lock()

    # What the program calls

    def register(self, goal: Goal) -> Resource:
        """Makes the resource what the program wants it to be and returns it as it is then."""
        self._refuse_when_stopping()
        urn, old = self._progress.claim(goal)
        with self._failing_with(urn):
            new = self._wanted(urn, goal)
            if old is not None:
                for path in new.ignore_changes:
                    new.inputs = with_old_values(new.inputs, old.inputs, parse_path(path))
            if new.custom:
                return self._register_custom(goal, old, new)
            return self._register_component(old, new)

    def register_outputs(self, urn: str, outputs: Properties) -> None:
        """Sets the outputs of a component, or of the stack itself."""
        self._progress.set_outputs(urn, outputs)

    def read(self, goal: Goal, id_: str) -> Resource:
        """Looks up a resource that the stack doesn't own."""
        self._refuse_when_stopping()
        urn, old = self._progress.claim(goal)
        with self._failing_with(urn):
            new = replace(self._wanted(urn, goal), external=True, id=id_, inputs={})
            with self._performing(Step(Op.READ, urn, old, new)):
                if id_ != UNKNOWN:
                    found = self._plugin(new.package).read(replace(new, outputs=goal.resource.inputs))
                    if found is None:
                        raise PluginError(f"resource '{id_}' does not exist")
                    new.outputs = with_secrets_marked(found.outputs, {}, new.additional_secret_outputs)
            self._progress.commit(new, replaces=old)
            return new

    def invoke(self, token: str, arguments: Properties) -> Properties:
        self._refuse_when_stopping()
        return self._plugin(token.partition(":")[0]).invoke(token, arguments, preview=self.preview)

    def resource(self, urn: str) -> Resource | None:
        """What this run has registered under the URN."""
        return self._progress.get(urn)

    # What runs without a program, or after it

    def finish(self) -> None:
        """Deletes what is left of the old state, dependents first; without a program that is all of it."""
        half_made = [self._find_half_made(interrupted) for interrupted in self._progress.pending.values()]
        with self._lock:
            for resource in [resource for resource in half_made if resource is not None]:
                self._progress.take_over(resource)
            for resource in list(self._progress.pending.values()):
                self._progress.end_creation(resource)
            for resource in [resource for resource in self._progress.remaining if resource.pending_replacement]:
                # It was deleted to be replaced, but the program doesn't have it any more.
                self._progress.drop(resource)
                self._changes[Op.DELETE] += 1
            doomed = list(self._progress.remaining)
        with ThreadPoolExecutor(self._parallel, "delete") as pool:
            for wave in _deletion_waves(doomed):
                _await_all([pool.submit(self._delete, resource) for resource in wave])
                if self.failures and not self.preview:
                    return
        self._progress.store()

    def refresh(self) -> None:
        """Takes over into the state what the provider sees now; what it no longer sees is dropped."""
        with ThreadPoolExecutor(self._parallel, "refresh") as pool:
            _await_all([pool.submit(self._refresh_one, resource) for resource in list(self._progress.remaining)])
        self._progress.forget()

    def drop_missing(self, among: list[Resource] | None = None) -> list[Resource]:
        """Drops from the state the custom resources, all or some, that the provider doesn't find any more; returns them."""
        candidates = self._progress.remaining if among is None else among
        doubtful = [resource for resource in candidates if resource.custom and not resource.external]
        with ThreadPoolExecutor(self._parallel, "read") as pool:
            found = list(pool.map(self._read_again, doubtful))
        missing = [resource for resource, seen in zip(doubtful, found, strict=True) if seen is None]
        if missing:
            self._progress.forget(missing)
        return missing

    def stop(self) -> None:
        """Lets the steps under way finish and starts no other."""
        self._stopping = True

    def changes(self) -> dict[str, int]:
        """{"create": 3, "same": 1, ...}: how many resources had which step."""
        with self._lock:
            return {str(op): count for op, count in self._changes.items()}

    # Registration

    def _register_component(self, old: Resource | None, new: Resource) -> Resource:
        if old is None:
            step = Step(Op.CREATE, new.urn, None, new)
        else:
            new.outputs = old.outputs
            diff = changed_paths(old.inputs, new.inputs)
            step = Step(Op.UPDATE if diff else Op.SAME, new.urn, old, new, diff)
        with self._performing(step):
            self._progress.commit(new, replaces=old)
        return new

    def _register_custom(self, goal: Goal, old: Resource | None, new: Resource) -> Resource:
        plugin = self._plugin(new.package)
        wanted = new.inputs
        if old is None:
            new.inputs = plugin.check(new, self._interrupted_inputs(new.urn), wanted)
            self._create(plugin, Step(Op.CREATE, new.urn, None, new), new)
            self._progress.commit(new)
            return new
        if old.urn in self._condemned or old.external:
            new.inputs = plugin.check(new, {}, wanted)
            return self._create_replacement(plugin, old, new, Diff(changed=True))
        new.inputs = plugin.check(new, old.inputs, wanted)
        diff = plugin.diff(old, new.inputs)
        if old.pending_replacement or (diff.changed and diff.replaces):
            new.inputs = plugin.check(new, self._interrupted_inputs(new.urn), wanted)
            return self._replace(plugin, goal, old, new, diff)
        new.id = old.id
        if diff.changed:
            step, outputs = Step(Op.UPDATE, new.urn, old, new, diff.detailed), None
        else:
            step, outputs = Step(Op.SAME, new.urn, old, new), old.outputs
        with self._performing(step):
            if outputs is None:
                outputs = plugin.update(old, new, preview=self.preview)
            new.outputs = with_secrets_marked(outputs, new.inputs, new.additional_secret_outputs)
            self._progress.commit(new, replaces=old)
        return new

    def _replace(self, plugin: Plugin, goal: Goal, old: Resource, new: Resource, diff: Diff) -> Resource:
        if old.protect and new.protect:
            message = f'unable to replace resource "{new.urn}" as it is currently marked for protection. {UNPROTECT}'
            self._refuse_protected(message, new.urn)
        delete_first = diff.delete_before_replace if goal.delete_before_replace is None else goal.delete_before_replace
        if delete_first and not old.pending_replacement:
            for dependent in reversed(self._dependents_to_replace(old)):
                self._delete_dependent(dependent, old)
            self._delete_to_replace(old)
        return self._create_replacement(plugin, old, new, diff)

    def _create_replacement(self, plugin: Plugin, old: Resource, new: Resource, diff: Diff) -> Resource:
        whole = Step(Op.REPLACE, new.urn, old, new, diff.detailed, diff.replace_keys)
        with self._performing(whole):
            self._create(plugin, replace(whole, op=Op.CREATE_REPLACEMENT), new)
            with self._lock:
                is_gone = old.pending_replacement or old.external
                if not is_gone:
                    old.delete = True
                    self._progress.exchange(old, old)
                self._progress.commit(new, replaces=old if is_gone else None)
        return new

    def _create(self, plugin: Plugin, step: Step, new: Resource) -> None:
        """Creates `new`, whose creation stays recorded as pending until it is committed or has failed."""
        self._refuse_when_stopping()
        interrupted = self._progress.begin_creation(new)
        try:
            with self._performing(step):
                half_made = None if interrupted is None or self.preview else self._find_half_made(interrupted)
                if half_made is None:
                    new.id, outputs = plugin.create(new, preview=self.preview)
                else:
                    new.id, outputs = _complete(plugin, half_made, new)
                new.outputs = with_secrets_marked(outputs, new.inputs, new.additional_secret_outputs)
        except PluginError:
            self._progress.end_creation(new)
            self._progress.store()
            raise

    def _interrupted_inputs(self, urn: str) -> Properties:
        """The inputs of an interrupted creation, so that it is taken up under the name that was generated for it."""
        interrupted = self._progress.pending.get(urn)
        return {} if interrupted is None else interrupted.inputs

    def _find_half_made(self, interrupted: Resource) -> Resource | None:
        """What an interrupted creation left, where it can be found by its name.

        Its id was never learnt. Resources that AWS identifies by something else than their name either are created
        anew by the same call without harm, or can't be found.
        """
        given = {key: value for key, value in interrupted.inputs.items() if isinstance(value, str)}
        names = [given[key] for key in ("name", "bucket") if key in given]
        if {"role", "name"} <= given.keys():
            # A role's policy.
            names.append(f"{given['role']}:{given['name']}")
        for name in names:
            try:
                found = self._plugin(interrupted.package).read(replace(interrupted, id=name))
            except PluginError:
                # For this type a name is no id.
                continue
            if found is not None:
                return replace(interrupted, id=found.id, inputs=found.inputs, outputs=found.outputs)
        return None

    # Deletion

    def _dependents_to_replace(self, root: Resource) -> list[Resource]:
        """The resources that can't outlive `root`, in the order of their dependencies.

        Those are the ones that would have to be replaced if what they take from a doomed resource changed.
        """
        with self._lock:
            candidates = [
                resource
                for resource in self._progress.remaining
                if not (self._progress.is_claimed(resource.urn) or resource.delete or resource.pending_replacement)
            ]
        doomed = {root.urn}
        dependents = []
        for resource in candidates:
            if resource.custom and not resource.external and self._must_go_with(resource, doomed):
                dependents.append(resource)
                doomed.add(resource.urn)
        return dependents

    def _must_go_with(self, resource: Resource, doomed: set[str]) -> bool:
        affected = [name for name, urns in resource.property_dependencies.items() if doomed.intersection(urns)]
        changed = {name: UNKNOWN for name in affected if name in resource.inputs and name not in resource.ignore_changes}
        return bool(changed) and self._plugin(resource.package).diff(resource, resource.inputs | changed).replaces

    def _delete_dependent(self, dependent: Resource, root: Resource) -> None:
        with self._lock:
            if self._progress.is_claimed(dependent.urn):
                # It was registered meanwhile, so it can't depend on the root any more.
                return
            self._condemned.add(dependent.urn)
        if dependent.protect:
            self._refuse_protected(
                f'unable to replace resource "{dependent.urn}" as part of replacing "{root.urn}" as it is currently '
                f"marked for protection. {UNPROTECT}",
                dependent.urn,
            )
        self._delete_to_replace(dependent)

    def _delete_to_replace(self, resource: Resource) -> None:
        self._refuse_when_stopping()
        with self._lock:
            self._condemned.add(resource.urn)
        with self._performing(Step(Op.DELETE_REPLACED, resource.urn, resource)):
            self._call_delete(resource)
            with self._lock:
                resource.pending_replacement = True
                self._progress.exchange(resource, resource)
                self._progress.store()

    def _delete(self, resource: Resource) -> None:
        self._refuse_when_stopping()
        with self._failing_with(resource.urn):
            if resource.protect and not resource.delete:
                message = f'resource "{resource.urn}" cannot be deleted because it is protected. {UNPROTECT}'
                self._refuse_protected(message, resource.urn)
            # Of what the program only read, the state forgets its copy.
            op = Op.DISCARD if resource.external else Op.DELETE_REPLACED if resource.delete else Op.DELETE
            with self._performing(Step(op, resource.urn, resource)):
                self._call_delete(resource)
                with self._lock:
                    self._progress.drop(resource)
                    self._progress.store()

    def _call_delete(self, resource: Resource) -> None:
        kept = resource.external or resource.retain_on_delete
        if resource.custom and not kept and not self.preview:
            self._progress.begin_deletion(resource)
            try:
                self._plugin(resource.package).delete(resource)
            except PluginError:
                self._progress.end_deletion(resource)
                self._progress.store()
                raise
            self._progress.end_deletion(resource)

    def _refuse_protected(self, message: str, urn: str) -> None:
        # A preview goes on after this, so that the whole plan is shown with the error.
        if not self.preview:
            raise PluginError(message)
        with self._lock:
            self.failures.append(Failure(urn, message))

    # Refresh

    def _refresh_one(self, resource: Resource) -> None:
        if not resource.custom or resource.delete or resource.pending_replacement:
            return
        self._refuse_when_stopping()
        with self._failing_with(resource.urn):
            self._tell(Event(Step(Op.REFRESH, resource.urn, resource), "begin"))
            found = self._read_again(resource)
            with self._performing(_refreshed(resource, found)) as step, self._lock:
                if step.new is None:
                    self._progress.drop(resource)
                elif step.op is Op.UPDATE:
                    self._progress.exchange(resource, step.new)
                self._progress.store()

    def _read_again(self, resource: Resource) -> Found | None:
        return self._plugin(resource.package).read(resource)

    # What all steps share

    def _wanted(self, urn: str, goal: Goal) -> Resource:
        wanted = goal.resource
        return replace(
            wanted,
            urn=urn,
            inputs=with_asset_hashes(wanted.inputs, self.folder),
            dependencies=sorted(wanted.dependencies),
            property_dependencies={name: sorted(urns) for name, urns in wanted.property_dependencies.items() if urns},
        )

    def _plugin(self, package: str) -> Plugin:
        if package not in self._plugins:
            raise ProgramError(f"package {package!r} isn't supported by the local engine; use --cli")
        return self._plugins[package]

    @contextmanager
    def _performing(self, step: Step) -> Generator[Step]:
        """Tells the beginning and the end of a step, and counts it when it succeeds."""
        with self._lock:
            self.steps.append(step)
        self._tell(Event(step, "begin"))
        started = time.monotonic()
        try:
            yield step
        except (PluginError, ProgramError) as error:
            self._tell(Event(step, "failed", time.monotonic() - started, str(error)))
            raise
        if step.op not in NOT_COUNTED:
            with self._lock:
                self._changes[step.op] += 1
        self._tell(Event(step, "done", time.monotonic() - started))

    def _tell(self, event: Event) -> None:
        with self._listen_lock:
            self._listen(event)

    @contextmanager
    def _failing_with(self, urn: str) -> Generator[None]:
        """Turns what goes wrong with one resource into a failure of the deployment."""
        try:
            yield
        except (PluginError, ProgramError, ValueError, OSError) as error:
            with self._lock:
                self.failures.append(Failure(urn, str(error)))
            self.stop()
            raise Stopped from error

    def _refuse_when_stopping(self) -> None:
        if self._stopping:
            raise Stopped


def _complete(plugin: Plugin, half_made: Resource, new: Resource) -> tuple[str, Properties]:
    """Makes what an interrupted creation left into what is wanted now; (id, outputs)."""
    diff = plugin.diff(half_made, new.inputs)
    if diff.replaces:
        plugin.delete(half_made)
        return plugin.create(new, preview=False)
    return half_made.id, plugin.update(half_made, new, preview=False) if diff.changed else half_made.outputs


def _refreshed(resource: Resource, found: Found | None) -> Step:
    if found is None:
        return Step(Op.DELETE, resource.urn, resource)
    outputs = with_secrets_marked(found.outputs, resource.outputs, resource.additional_secret_outputs)
    inputs = with_secrets_marked(found.inputs, resource.inputs, [])
    diff = changed_paths(resource.outputs, outputs)
    seen = replace(resource, id=found.id, inputs=inputs, outputs=outputs)
    return Step(Op.UPDATE if diff else Op.SAME, resource.urn, resource, seen, diff)


def _deletion_waves(doomed: list[Resource]) -> Iterator[list[Resource]]:
    """Groups in which nothing depends on anything else; each may go when those before it are gone."""
    left = list(doomed)
    while left:
        needed = {urn for resource in left for urn in resource.needs() - {resource.urn}}
        wave = [resource for resource in left if resource.urn not in needed] or left
        yield wave
        left = [resource for resource in left if not any(resource is member for member in wave)]


def _await_all(outcomes: list[Future[None]]) -> None:
    for outcome in outcomes:
        try:
            outcome.result()
        except Stopped:
            # The failure that stopped the deployment is recorded; the others still have to be awaited.
            continue
