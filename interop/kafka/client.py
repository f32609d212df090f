"""An independent client for the tests: kafka-python, which shares no code with librdkafka.

  client.py produce BROKERS TOPIC              JSON lines {"value", "key", "headers", "partition"} on stdin
  client.py read BROKERS TOPIC [--uncommitted] every message up to the topic's end, a JSON line each
  client.py follow BROKERS TOPIC N             until N commands have their last CallEnded
  client.py validate BROKERS TOPIC FOLDER      every event against the JSON Schema of its type; how many
"""
import json
import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

PATIENCE = 450  # looks of 200 ms, and no clock: a machine may stand still for a minute


def produce(brokers, topic):
    producer = KafkaProducer(bootstrap_servers=brokers, acks="all", linger_ms=5)
    sent = []
    for line in sys.stdin:
        wish = json.loads(line)
        key = wish.get("key")
        headers = [(name, value.encode()) for name, value in wish.get("headers", [])]
        value = wish["value"].encode("utf-8", "surrogateescape")
        sent.append(producer.send(topic, value, key and key.encode(), headers, wish.get("partition")))
    for one in sent:
        at = one.get(timeout=60)
        print(json.dumps({"partition": at.partition, "offset": at.offset}))


def shown(message):
    text = lambda raw: None if raw is None else raw.decode("utf-8", "replace")
    return {
        "partition": message.partition,
        "offset": message.offset,
        "timestamp": message.timestamp,
        "key": text(message.key),
        "headers": {name: text(value) for name, value in message.headers},
        "value": text(message.value),
    }


def messages(brokers, topic, isolation, is_over):
    """Every message; is_over(consumer, partitions, message or None) ends it."""
    consumer = KafkaConsumer(bootstrap_servers=brokers, isolation_level=isolation, enable_auto_commit=False)
    numbers = None
    while not numbers:
        numbers = consumer.partitions_for_topic(topic)
    partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    silent = 0
    while True:
        polled = consumer.poll(timeout_ms=200)
        silent = 0 if polled else silent + 1
        for batch in polled.values():
            for message in batch:
                yield message
        if is_over(consumer, partitions):
            return
        if silent > PATIENCE:
            sys.exit(f"nothing came from {topic} in {PATIENCE} looks")


def read(brokers, topic, isolation):
    ends = {}

    def is_over(consumer, partitions):
        if not ends:
            ends.update(consumer.end_offsets(partitions))
        return all(consumer.position(one) >= ends[one] for one in partitions)

    for message in messages(brokers, topic, isolation, is_over):
        print(json.dumps(shown(message)))


def follow(brokers, topic, wanted):
    ended = set()
    for message in messages(brokers, topic, "read_committed", lambda *_: len(ended) >= wanted):
        value = json.loads(message.value)
        if value["type"] == "CallEnded" and value["redial_at"] is None:
            ended.add(value["command_id"])


def validate(brokers, topic, folder):
    from jsonschema import Draft7Validator, FormatChecker

    ends, known, count = {}, {}, 0

    def is_over(consumer, partitions):
        ends.update(ends or consumer.end_offsets(partitions))
        return all(consumer.position(one) >= ends[one] for one in partitions)

    for message in messages(brokers, topic, "read_committed", is_over):
        kind = dict(message.headers)["ce_type"].decode().removeprefix("callfold.")
        if kind not in known:
            with open(f"{folder}/{kind}.json") as schema:
                known[kind] = Draft7Validator(json.load(schema), format_checker=FormatChecker())
        known[kind].validate(json.loads(message.value))
        count += 1
    print(json.dumps({"events": count, "types": len(known)}))


def main():
    what, brokers, topic, *more = sys.argv[1:]
    if what == "produce":
        produce(brokers, topic)
    elif what == "read":
        read(brokers, topic, "read_uncommitted" if more else "read_committed")
    elif what == "validate":
        validate(brokers, topic, more[0])
    elif what == "follow":
        follow(brokers, topic, int(more[0]))
    else:
        sys.exit(__doc__)


main()
