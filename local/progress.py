"""The state while an update runs: what is done already, what is still as it was, and what is under way."""

import threading
from collections.abc import Callable, Iterator, Sequence

from local.properties import Properties
from local.state import BEGIN, DONE, DROP, END, KEEP, PUT, Change, Resource, State, creation_of, deletion_of, make_urn, urn_name, urn_type
from local.steps import Alias, Goal, ProgramError


class Progress:
    """All resources of one stack, each in one of two places.

    current    what this run has registered, by URN, in the order of their dependencies
    remaining  what the last run left and this one hasn't come to yet, or has replaced and not deleted yet
    pending    creations under way, or interrupted by an end of the process

    Methods that change something collect it; `store` hands it to `save` as one change. With None it stays in memory, as in a
    preview. Whoever decides on several changes that belong together holds `lock`.
    """

    def __init__(self, project: str, stack: str, state: State, save: Callable[[Change], None] | None) -> None:
        self.lock = threading.RLock()
        self.remaining = list(state.resources)
        self.pending = {resource.urn: resource for resource in state.pending_creates}
        self._project = project
        self._stack = stack
        self._state = state
        self._save = save
        self._unsaved: Change = []
        self._deleting = list(state.pending_deletes)
        self._current: dict[str, Resource] = {}
        self._claimed: set[str] = set()
        self._former_urns: dict[str, str] = {}

    def claim(self, goal: Goal) -> tuple[str, Resource | None]:
        """The URN of a new registration, and what the last run left under it or under one of its aliases."""
        with self.lock:
            urn = self._make_urn(goal.resource.parent, goal.type, goal.name)
            if urn in self._claimed:
                raise ProgramError(f"Duplicate resource URN '{urn}'; try giving it a unique name")
            self._claimed.add(urn)
            for candidate in [urn, *self._aliases(goal)]:
                old = next((old for old in self.remaining if old.urn == candidate and not old.delete), None)
                if old is not None and (candidate == urn or candidate not in self._claimed):
                    self._rename(old, urn)
                    return urn, old
            return urn, None

    def is_claimed(self, urn: str) -> bool:
        """Whether the program has registered it, be it done or under way."""
        return urn in self._claimed

    def get(self, urn: str) -> Resource | None:
        """What this run has registered."""
        return self._current.get(urn)

    def begin_creation(self, new: Resource) -> Resource | None:
        """Records a creation before it begins; returns the one that an interrupt left of the same resource."""
        with self.lock:
            interrupted = self.pending.get(new.urn)
            self.pending[new.urn] = new
            self._unsaved.append((BEGIN, creation_of(new), new))
            self.store()
            return interrupted

    def end_creation(self, resource: Resource) -> None:
        """Takes a creation for ended, whatever came of it."""
        with self.lock:
            if self.pending.pop(resource.urn, None) is not None:
                self._unsaved.append((END, creation_of(resource)))

    def begin_deletion(self, resource: Resource) -> None:
        """Records a deletion before it begins."""
        with self.lock:
            self._deleting.append(resource)
            self._unsaved.append((BEGIN, deletion_of(resource), resource))
            self.store()

    def end_deletion(self, resource: Resource) -> None:
        """Takes a deletion for ended, whether it has succeeded or not."""
        with self.lock:
            self._deleting = [other for other in self._deleting if deletion_of(other) != deletion_of(resource)]
            self._unsaved.append((END, deletion_of(resource)))

    def commit(self, new: Resource, replaces: Resource | None = None) -> None:
        """Takes the resource as done, in the place of what the last run left of it."""
        with self.lock:
            self._current[new.urn] = new
            if replaces == new:
                self._unsaved.append((KEEP, self._take(replaces)))
                return
            self._unsaved.append((DONE, new))
            self.end_creation(new)
            if replaces is not None:
                self.drop(replaces)
            self.store()

    def set_outputs(self, urn: str, outputs: Properties) -> None:
        with self.lock:
            if self._current[urn].outputs != outputs:
                self._current[urn].outputs = outputs
                self._unsaved.append((DONE, self._current[urn]))
                self.store()

    def drop(self, resource: Resource) -> None:
        self._unsaved.append((DROP, self._take(resource)))

    def take_over(self, resource: Resource) -> None:
        """Adds to the remaining ones what an interrupt left."""
        self._unsaved.append((PUT, len(self.remaining), resource))
        self.remaining.append(resource)

    def exchange(self, resource: Resource, seen: Resource) -> None:
        """Puts `seen` in the place of a remaining resource; the same one again when it has changed."""
        place = self._place(resource)
        self.remaining[place] = seen
        self._unsaved.append((PUT, place, seen))

    def forget(self, gone: Sequence[Resource] = ()) -> None:
        """Drops resources, and the references that others have to any that isn't there."""
        with self.lock:
            for resource in gone:
                self.drop(resource)
            known = {resource.urn for resource in [*self._current.values(), *self.remaining]}
            for resource in [resource for resource in self.remaining if not resource.needs() <= known]:
                resource.refer(lambda urn, parent=resource.parent: urn if urn in known or urn == parent else "")
                self.exchange(resource, resource)
            self.store()

    def store(self) -> None:
        with self.lock:
            self._state.resources = [*self._current.values(), *self.remaining]
            self._state.pending_creates = list(self.pending.values())
            self._state.pending_deletes = list(self._deleting)
            if self._save is None:
                self._unsaved.clear()
            elif any(step[0] != KEEP for step in self._unsaved):
                # What can't be saved stays for the next time: the places in later changes count on it.
                self._save(self._unsaved)
                self._unsaved = []

    def _take(self, resource: Resource) -> int:
        place = self._place(resource)
        del self.remaining[place]
        return place

    def _place(self, resource: Resource) -> int:
        # By identity: a resource and its replaced predecessor may be equal.
        return next(index for index, other in enumerate(self.remaining) if other is resource)

    def _make_urn(self, parent: str, type_: str, name: str) -> str:
        return make_urn(self._stack, self._project, parent, type_, name)

    def _aliases(self, goal: Goal) -> Iterator[str]:
        own = [self._alias(goal, alias) for alias in goal.aliases]
        yield from own
        former_parent = self._former_urns.get(goal.resource.parent)
        if former_parent is None:
            return
        for type_, name in [(goal.type, goal.name), *((urn_type(urn), urn_name(urn)) for urn in own)]:
            # A name that begins with the parent's name began with the parent's former name.
            parent_name = urn_name(goal.resource.parent)
            if name.startswith(parent_name):
                name = urn_name(former_parent) + name.removeprefix(parent_name)
            yield self._make_urn(former_parent, type_, name)

    def _alias(self, goal: Goal, alias: Alias) -> str:
        if alias.urn:
            return alias.urn
        parent = self._former_urns.get(alias.parent, alias.parent) if alias.parent else goal.resource.parent
        return make_urn(
            alias.stack or self._stack,
            alias.project or self._project,
            "" if alias.no_parent else parent,
            alias.type or goal.type,
            alias.name or goal.name,
        )

    def _rename(self, resource: Resource, urn: str) -> None:
        """Gives an old resource its new URN, everywhere it is referred to."""
        former = resource.urn
        if former == urn:
            return
        self._former_urns[urn] = former
        resource.urn = urn
        for other in [other for other in self.remaining if other is resource or former in other.needs()]:
            other.refer(lambda reference: urn if reference == former else reference)
            self.exchange(other, other)
