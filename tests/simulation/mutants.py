"""The handlers broken in turn: each condition, token, retry and order of writes that keeps a request right. (module, before, after).

`before` is in the module once. SPARED are those that nothing can find, each with its reason.
"""

from dataclasses import dataclass

from tests.simulation.build import source


@dataclass(frozen=True)
class Mutant:
    name: str
    module: str
    before: str
    after: str

    @property
    def broken(self) -> dict[str, str]:
        whole = source(self.module)
        if whole.count(self.before) != 1:
            raise ValueError(f"mutant {self.name}: its text is {whole.count(self.before)} times in handlers/{self.module}.py")
        return {self.module: whole.replace(self.before, self.after)}


MUTANTS = [Mutant(*row) for row in (
    # The record's conditions
    ("close: any number of answers", "records", " AND size(answers) = :seen\"", " AND (size(answers) >= :none OR size(answers) = :seen)\""),
    ("close: more answers than seen", "records", "size(answers) = :seen", "size(answers) >= :seen"),
    ("close: fewer answers than seen", "records", "size(answers) = :seen", "size(answers) <= :seen"),
    ("close: also a closed one", "records",
     '"#status = :open AND createdAt = :createdAt AND size(answers) = :seen"',
     '"(#status = :open OR createdAt = :createdAt) AND size(answers) = :seen"'),
    ("close: whoever made the record", "records",
     '"#status = :open AND createdAt = :createdAt AND size(answers) = :seen"',
     '"#status = :open AND (createdAt = :createdAt OR size(answers) = :seen)"'),
    ("close: without its token", "records", "return kept, done or (kept is not None and kept.get(\"writtenBy\") == token)", "return kept, done"),
    ("close: any token is ours", "records", "kept.get(\"writtenBy\") == token)\n\n    def _update(", "True)\n\n    def _update("),
    ("add: replaces", "records",
     "{','.join(f'{place}=if_not_exists({place},{value})' for place, value in places)}\",\n            \"#status = :open",
     "{','.join(f'{place}={value}' for place, value in places)}\",\n            \"#status = :open"),
    ("add: also to a closed one", "records", '"#status = :open AND createdAt = :createdAt",\n', '"(#status = :open OR createdAt = :createdAt)",\n'),
    ("add late: replaces", "records",
     "{','.join(f'{place}=if_not_exists({place},{value})' for place, value in places)}\",\n            \"createdAt",
     "{','.join(f'{place}={value}' for place, value in places)}\",\n            \"createdAt"),
    ("create: unconditionally", "records", "attribute_not_exists(requestId) OR (#status", "attribute_not_exists(x) OR (#status"),
    ("create: before publishBy", "records", "publishBy < :now\"", "publishBy > :now\""),
    ("create: whenever it was not published", "records", "publishBy < :now\"", "(publishBy < :now OR attribute_exists(publishBy))\""),
    ("create: never over another", "records", "publishBy < :now\"", "publishBy < :now AND attribute_not_exists(requestId)\""),
    ("create: over answers", "records", "size(answers) = :none AND size(late) = :none", "(size(answers) >= :none OR size(late) = :none)"),
    ("create: over another request", "records", "variant = :variant AND #request = :request)", "(variant = :variant OR #request = :request))"),
    ("create: over a closed one", "records", "(#status = :open AND publishBy", "((#status = :open OR #status <> :open) AND publishBy"),
    ("published: keeps publishBy", "records", "SET publishedAt = :now REMOVE publishBy", "SET publishedAt = :now"),
    ("not published: others wait on", "records", '"SET publishBy = :now"', '"SET notBy = :now"'),
    ("claim: unconditionally", "records",
     '"createdAt = :createdAt AND announceBy < :now AND attribute_not_exists(announcedAt)"',
     '"createdAt = :createdAt AND (announceBy < :now OR attribute_exists(announceBy))"'),
    ("claim: nobody ever", "records", "announceBy < :now AND", "announceBy < :createdAt AND :now = :now AND"),
    ("refusals carry no item", "records", "item = refusal.response.get(\"Item\")", "item = None"),
    ("read: nothing is there", "records", "if \"Item\" in found else None", "if \"Items\" in found else None"),
    # Gathering
    ("gather: announce without closing", "aggregation", "if gathered.closed or (", "if True or ("),
    ("gather: only the closer announces", "aggregation", "if gathered.closed or (record[\"announceBy\"] < now and ", "if gathered.closed or (False and "),
    ("gather: announces while the closer lives", "aggregation", "record[\"announceBy\"] < now and store.claim_announcement(record, now, alive_until)", "True"),
    ("gather: says that it was announced", "aggregation", "gathered.announced = False", "pass"),
    ("gather: marks it before it is announced", "aggregation",
     "        announce(result_of(record, rules.selection))\n        store.announced(record, now)",
     "        store.announced(record, now)\n        announce(result_of(record, rules.selection))"),
    ("gather: never marks it", "aggregation", "        store.announced(record, now)\n", ""),
    ("gather: looks at announcedAt no more", "aggregation", " or \"announcedAt\" in record:", ":"),
    ("gather: goes on after a refused add", "aggregation",
     "record, done = store.add(record, news.on_time)\n            if not done or record is None:",
     "record, done = store.add(record, news.on_time)\n            if record is None:"),
    ("gather: goes on after a refused close", "aggregation", "            if not closed or record is None:\n                continue", "            if record is None:\n                continue"),
    ("gather: gives up after a refused close", "aggregation", "            if not closed or record is None:\n                continue", "            if not closed or record is None:\n                return Gathered(record, news.rejected)"),
    ("gather: gives up after a refused add", "aggregation",
     "            record, done = store.add(record, news.on_time)\n            if not done or record is None:\n                continue",
     "            record, done = store.add(record, news.on_time)\n            if not done or record is None:\n                return Gathered(record, news.rejected)"),
    ("gather: closes before it adds", "aggregation", "        if news.on_time:\n", "        if news.on_time and record[\"status\"] != \"OPEN\":\n"),
    ("gather: forgets late answers", "aggregation", "        if news.late:\n", "        if False:\n"),
    ("gather: no deadline by its message", "aggregation", "message.deadline_at == record[\"deadlineAt\"] or", "False or"),
    ("gather: any deadline's message", "aggregation", "message.deadline_at == record[\"deadlineAt\"] or", "message.deadline_at or"),
    ("gather: who gave up gave up nothing", "aggregation", " or message.gave_up for message", " for message"),
    ("sort: who stopped at the deadline has answered", "aggregation", "        if contract.is_silent(answer):\n            continue\n", ""),
    ("gather: no deadline by the clock", "aggregation", "now >= record[\"deadlineAt\"] or any(", "any("),
    ("gather: closes again", "aggregation", "    if record[\"status\"] != \"OPEN\":\n        return None\n    policy", "    policy"),
    ("gather: drops answers without a request", "aggregation", "for message in messages if message.answer])", "for message in []])"),
    ("sort: on time whenever it is open", "aggregation", "if slot is None and is_open and answer[\"respondedAt\"] <= record[\"deadlineAt\"]:", "if slot is None and is_open:"),
    ("sort: late although it is open", "aggregation", "if slot is None and is_open and", "if slot is None and not is_open and"),
    ("sort: on time although it is closed", "aggregation", "if slot is None and is_open and", "if slot is None and"),
    ("sort: asks nothing of the slot", "aggregation", "slot = record[\"answers\"].get(name) or news.on_time.get(name)", "slot = news.on_time.get(name)"),
    ("sort: a slot that is timed out has answered", "aggregation", "if slot is not None and slot[\"status\"] in contract.ANSWERED:", "if slot is not None:"),
    ("sort: late once more", "aggregation", "in contract.ANSWERED and name not in record[\"late\"]:", "in contract.ANSWERED:"),
    ("sort: the last of two", "aggregation", "slot = record[\"answers\"].get(name) or news.on_time.get(name)", "slot = record[\"answers\"].get(name)"),
    ("close: leaves slots empty", "aggregation", "if completed_by == \"DEADLINE\" else []", "if False else []"),
    ("close: ranks without the last", "aggregation", "ranking=rules.rank(given)", "ranking=rules.rank(given[:-1])"),
    ("close: promises nothing", "aggregation", "announce_by=announce_by,\n    )", "announce_by=now,\n    )"),
    ("replies: a fault is no answer", "aggregation", "found.append(Message(str(number), content[\"requestId\"], answer=answer))\n        elif", "pass\n        elif"),
    # The aggregator's adapter
    ("aggregator: an event that was not accepted", "aggregator", "if response[\"FailedEntryCount\"]:", "if False:"),
    ("aggregator: swallows a fault", "aggregator", "        return _come_back(ids, received)\n    if not", "        return []\n    if not"),
    ("aggregator: does not wait for the closer", "aggregator", "        again += _come_back(deadlines,", "        _come_back(deadlines,"),
    ("aggregator: gives answers back, no deadline", "aggregator", "if message.deadline_at]", "if message.answer]"),
    ("aggregator: waits for the closer's beginning", "aggregator", "clock.seconds_until(gathered.record[\"announceBy\"]), 0)) + 1)", "0, 0)) + 1)"),
    ("aggregator: a batch fails as one", "aggregator", "        again += _gather_or_give_back(request_id", "        again = _gather_or_give_back(request_id"),
    ("aggregator: leaves the pause to the queue", "aggregator", "VisibilityTimeout=pause if after_seconds is None else after_seconds,", "VisibilityTimeout=800,"),
    ("aggregator: a lost rejection", "aggregator", "        logger.exception(\"not rejected; to be delivered again\", extra={\"messageId\": message_id})\n        return False", "        return True"),
    ("aggregator: rejects nothing", "aggregator", "    queues().send_message(\n", "    logger.info(\n"),
    ("aggregator: promises too little", "aggregator", "alive_until = clock.later(clock.now(), context.get_remaining_time_in_millis() / 1000)", "alive_until = clock.later(clock.now(), context.get_remaining_time_in_millis() / 1000 - 20)"),
    # Opening
    ("open: no deadline", "opening", "    set_deadline(record, _seconds(record, grace))\n    kept, is_new", "    kept, is_new"),
    ("open: the deadline after the record", "opening",
     "    set_deadline(record, _seconds(record, grace))\n    kept, is_new = _create(store, record, now)\n",
     "    kept, is_new = _create(store, record, now)\n    set_deadline(record, _seconds(record, grace))\n"),
    ("open: the deadline of the first only", "opening",
     "    set_deadline(record, _seconds(record, grace))\n    kept, is_new = _create(store, record, now)\n    if is_new:\n",
     "    kept, is_new = _create(store, record, now)\n    if is_new:\n        set_deadline(record, _seconds(record, grace))\n"),
    ("open: no second deadline", "opening", "        if clock.now() >= record[\"deadlineAt\"]:", "        if False:"),
    ("open: the deadline too early", "opening", "return math.ceil(max(clock.seconds_until(record[\"deadlineAt\"]), 0)) + grace", "return 0"),
    ("open: the deadline a minute late", "opening", "0)) + grace", "0)) + grace + 60"),
    ("open: no grace", "opening", "return math.ceil(max(clock.seconds_until(record[\"deadlineAt\"]), 0)) + grace", "return math.ceil(max(clock.seconds_until(record[\"deadlineAt\"]), 0))"),
    ("open: another request under the same id", "opening", "not request.same(kept[\"request\"], record[\"request\"])", "False"),
    ("open: openedBy is ignored", "opening", "if kept.get(\"openedBy\") == opened_by and kept[\"status\"] == \"OPEN\":", "if False:"),
    ("open: everybody has opened it", "opening", "if kept.get(\"openedBy\") == opened_by and kept[\"status\"] == \"OPEN\":", "if kept[\"status\"] == \"OPEN\":"),
    ("open: a published one is published again", "opening", "return Opened(kept, \"publishBy\" in kept or not publish_seconds)", "return Opened(kept, True)"),
    ("open: an opener that comes again never publishes", "opening", "return Opened(kept, \"publishBy\" in kept or not publish_seconds)", "return Opened(kept, not publish_seconds)"),
    ("open: nobody waits for the opener", "opening", "or _is_asked(kept) or clock.now() > kept[\"publishBy\"]:", "or True:"),
    ("open: a repeat is told at once", "opening", "return \"publishBy\" not in record or", "return True or"),
    ("open: never in the place of another", "opening", "    if _is_asked(kept):\n        return Opened(kept, False)\n", "    return Opened(kept, False)\n"),
    ("open: no publishBy", "opening", "    if publish_seconds:\n        record[", "    if False:\n        record["),
    ("sns: publishes although it is late", "sns_requester", "    if clock.now() > record[\"publishBy\"]:", "    if False:"),
    ("sns: never publishes", "sns_requester", "    if opened.is_new:\n        _publish", "    if False:\n        _publish"),
    ("sns: always publishes", "sns_requester", "    if opened.is_new:\n        _publish", "    if \"publishBy\" in opened.record:\n        _publish"),
    ("sns: says so before it publishes", "sns_requester",
     "    try:\n        sns.publish(", "    records.published(record, clock.now())\n    try:\n        sns.publish("),
    ("sns: swallows a failed publish", "sns_requester", "        records.not_published(record, clock.now())\n        raise\n", "        records.not_published(record, clock.now())\n        return\n"),
    ("sns: never says that it published", "sns_requester", "        raise\n    records.published(record, clock.now())\n", "        raise\n"),
    ("workflow: nobody is repeated", "requester", "    if not opened.is_new:\n", "    if False:\n"),
    ("workflow: everybody is repeated", "requester", "    if not opened.is_new:\n", "    if True:\n"),
    ("workflow: every attempt is somebody else", "requester", "opened_by=execution[\"id\"]", "opened_by=execution[\"id\"] + clock.now()"),
    ("workflow: all executions are the same", "requester", "opened_by=execution[\"id\"]", "opened_by=\"execution\""),
    ("deadline: no delay", "deadline_queue", "DelaySeconds=min(seconds, MAX_DELAY_SECONDS)", "DelaySeconds=0 * min(seconds, MAX_DELAY_SECONDS)"),
    ("deadline: of another record", "deadline_queue", "\"requestId\": record[\"requestId\"], \"deadlineAt\"", "\"requestId\": \"r2\", \"deadlineAt\""),
    # Responders
    ("responder: a failed hand-over is done", "responder_queue", "            self._come_back(record)\n            return False\n        logger", "            return True\n        logger"),
    ("responder: a passing fault is done", "responder_queue", "                self._come_back(record)\n                return False\n        ", "                return True\n        "),
    ("responder: hands nothing over", "responder_queue", "            self.hand_over(question, answer)\n", ""),
    ("responder: begins what nobody wants", "still_wanted", "found[\"status\"][\"S\"] == \"OPEN\"", "True"),
    ("attempt: dated after the deadline", "attempt", "    return {**given, \"respondedAt\": clock.now()}", "    return {**given, \"respondedAt\": clock.later(clock.now(), 100)}"),
)]

SPARED: dict[str, str] = {
    "close: fewer answers than seen": "A record's answers only grow while it is open, so there are never fewer than were seen.",
    "create: over a closed one": "A closed record has an answer of each of its recipients, so it is never one that nobody answered.",
    "not published: others wait on": "It saves the next attempt a pause of up to three seconds and changes nothing else.",
}
"""By name: why neither the simulation nor any test can find it."""
