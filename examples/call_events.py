"""Follows the events of calls, each once, in order, whatever is delivered again.

    pip install kafka-python lz4
    python call_events.py localhost:9092 callfold.events.v1

Stopped and started again it goes on where it was: its place is committed after the work is done, so
what it did last may come again, and is recognised by its sequence.
"""
import json
import sys

from kafka import KafkaConsumer


def handle(event):
    """Your work. Here: a line for each call that ended."""
    if event["type"] == "CallEnded":
        again = f", again at {event['redial_at']}" if event["redial_at"] else ""
        print(event["command_id"], event["outcome"], event["talk_ms"], again, flush=True)


def main(brokers, topic, idle_ms=None):
    more = {"consumer_timeout_ms": int(idle_ms)} if idle_ms else {}
    consumer = KafkaConsumer(
        topic, bootstrap_servers=brokers, group_id="call-events-example", auto_offset_reset="earliest",
        enable_auto_commit=False, isolation_level="read_committed", **more)
    last = {}  # each call's last sequence; to be exact over restarts, keep it with your own data
    for message in consumer:
        event = json.loads(message.value)
        call, sequence = event["call_id"], event["sequence"]
        if call in last and sequence <= last[call]:
            continue  # delivered again
        if call in last and sequence > last[call] + 1:
            print(f"gap: call {call} has nothing after {last[call]}", file=sys.stderr)
        handle(event)
        last.pop(call, None)
        last[call] = sequence
        if len(last) > 100_000:
            del last[next(iter(last))]  # the call that has been silent the longest
        consumer.commit()
    consumer.close()  # leaves the group, so that the next start need not wait for it to notice


main(*sys.argv[1:])
