-- The common log: one row an event, one order for all.

CREATE TABLE store (
    only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id           uuid NOT NULL DEFAULT gen_random_uuid(),
    -- Tell the secrets of a cluster from others, without telling what they are.
    callee_check bytea,
    master_check bytea
);
INSERT INTO store DEFAULT VALUES;

-- `position` is dense and rises in the order in which transactions become visible (see append).
CREATE TABLE events (
    position    bigint PRIMARY KEY,
    at          bigint NOT NULL,   -- milliseconds of Unix time, by the deciding node's clock
    revision    bigint NOT NULL,   -- in the stream, dense from 0
    stream_id   uuid NOT NULL,
    type        integer NOT NULL,
    stream_kind smallint NOT NULL,
    version     smallint NOT NULL,
    attempt     uuid,              -- only where an append expected nothing exact: see append
    body        bytea NOT NULL,
    UNIQUE (stream_id, stream_kind, revision)
);
CREATE INDEX events_attempt ON events (attempt) WHERE attempt IS NOT NULL;

-- The keys of persons, wrapped by the master key. Two nodes may each make one for the same person
-- and generation, so the nonce is part of the name. An erased key keeps its row, so that it cannot
-- come back. `place` rises with every change, in the order in which changes become visible.
CREATE TABLE persons (
    callee     uuid NOT NULL,
    generation integer NOT NULL,
    nonce      bytea NOT NULL,
    wrapped    bytea,              -- null: erased
    place      bigint NOT NULL UNIQUE,
    PRIMARY KEY (callee, generation, nonce)
);

-- Who owns a partition of the work: the epoch rises with every owner.
CREATE TABLE owners (
    partition integer PRIMARY KEY,
    epoch     bigint NOT NULL,
    node      text NOT NULL,
    since     timestamptz NOT NULL DEFAULT now()
);

-- The streams of a partition whose work is not over: what its next owner has to look at.
CREATE TABLE work (
    stream_id   uuid NOT NULL,
    stream_kind smallint NOT NULL,
    partition   integer NOT NULL,
    begun       bigint NOT NULL,   -- position of its first event
    PRIMARY KEY (stream_id, stream_kind)
);
CREATE INDEX work_partition ON work (partition, begun);

-- Sequences give numbers in the order of asking, and transactions become visible in the order of
-- their commits: a reader that is at 7 would pass over a 6 that is committed late. So whoever
-- writes holds one lock from before it looks at the head until it is committed and visible.
-- PostgreSQL gives the lock back after that, in this order, and every command of a function sees
-- what is committed when it begins (READ COMMITTED). One statement does all of it: a client that
-- dies or is paused never holds the lock.
CREATE FUNCTION wait_for_turn() RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock((1129270860::bigint << 32) | 'events'::regclass::oid::bigint)
$$;

-- A partition has a new owner: what its earlier ones append from now on is refused, and what they
-- had appended is visible to it.
CREATE FUNCTION take_over(wanted integer, new_owner text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    given bigint;
BEGIN
    PERFORM wait_for_turn();
    INSERT INTO owners AS o (partition, epoch, node) VALUES (wanted, 1, new_owner)
        ON CONFLICT (partition) DO UPDATE
        SET epoch = o.epoch + 1, node = excluded.node, since = now()
        RETURNING o.epoch INTO given;
    RETURN given;
END
$$;

-- Destroys every key of a person. Whether there was one, and whether there ever was.
CREATE FUNCTION erase(person uuid, OUT had boolean, OUT known boolean)
    LANGUAGE plpgsql SET enable_seqscan TO off AS $$
DECLARE
    last bigint;
BEGIN
    PERFORM wait_for_turn();
    last := coalesce((SELECT p.place FROM persons p ORDER BY p.place DESC LIMIT 1), 0);
    had := EXISTS (SELECT 1 FROM persons p WHERE p.callee = person AND p.wrapped IS NOT NULL);
    known := EXISTS (SELECT 1 FROM persons p WHERE p.callee = person);
    UPDATE persons p SET wrapped = NULL, place = last + n.place
        FROM (SELECT q.generation, q.nonce, row_number() OVER () AS place FROM persons q
            WHERE q.callee = person) AS n
        WHERE p.callee = person AND p.generation = n.generation AND p.nonce = n.nonce;
    PERFORM pg_notify(current_schema() || '_events', 'erased');
END
$$;

-- Appends to many streams, each at most once, each judged by itself; what fits becomes durable
-- together, with the keys that it is the first to use.
--
-- partitions: whose work it is, or -1 nobody's; epochs: as which owner; overs: whether the work of
-- the stream is over with it. All three may be empty.
-- expectations: a revision, -1 no stream, -2 a stream, -3 anything.
-- states: 0 in; 1 it does not fit, `lasts` says the stream's last revision; 2 somebody else owns
-- its partition, `lasts` says the epoch; 3 this very attempt had brought it before.
CREATE FUNCTION append(
    kinds smallint[], ids uuid[], expectations bigint[], counts integer[],
    partitions integer[], epochs bigint[], overs boolean[],
    places integer[], indexes integer[], types integer[], versions smallint[],
    ats bigint[], bodies bytea[],
    this_attempt uuid,
    key_callees uuid[], key_generations integer[], key_nonces bytea[], key_bodies bytea[],
    OUT states smallint[], OUT lasts bigint[], OUT ends bigint[]
) LANGUAGE plpgsql SET enable_seqscan TO off AS $$
#variable_conflict use_variable
DECLARE
    appends   constant integer := coalesce(cardinality(ids), 0);
    head      bigint;
    next      bigint;
    last      bigint;
    owned     bigint[];
    -- Of each append: what its first event gets, or -1.
    begins    bigint[] := array_fill(-1::bigint, ARRAY[appends]);
    revisions bigint[] := array_fill(-1::bigint, ARRAY[appends]);
    fits      boolean;
BEGIN
    PERFORM wait_for_turn();

    IF cardinality(key_callees) > 0 THEN
        head := coalesce((SELECT p.place FROM persons p ORDER BY p.place DESC LIMIT 1), 0);
        INSERT INTO persons (callee, generation, nonce, wrapped, place)
            SELECT k.callee, k.generation, k.nonce, k.body, head + k.n
            FROM unnest(key_callees, key_generations, key_nonces, key_bodies)
                WITH ORDINALITY AS k(callee, generation, nonce, body, n)
            ON CONFLICT DO NOTHING;
    END IF;

    head := coalesce((SELECT e.position FROM events e ORDER BY e.position DESC LIMIT 1), 0);
    next := head;
    states := array_fill(0::smallint, ARRAY[appends]);
    ends := array_fill(0::bigint, ARRAY[appends]);
    SELECT array_agg((
            SELECT e.revision FROM events e
            WHERE e.stream_id = g.id AND e.stream_kind = g.kind
            ORDER BY e.revision DESC LIMIT 1
        ) ORDER BY g.n)
        INTO lasts FROM unnest(ids, kinds) WITH ORDINALITY AS g(id, kind, n);
    IF cardinality(partitions) > 0 THEN
        SELECT array_agg((SELECT o.epoch FROM owners o WHERE o.partition = g.p) ORDER BY g.n)
            INTO owned FROM unnest(partitions) WITH ORDINALITY AS g(p, n);
    END IF;

    FOR i IN 1 .. appends LOOP
        IF owned[i] > epochs[i] THEN
            states[i] := 2;
            lasts[i] := owned[i];
            CONTINUE;
        END IF;
        IF expectations[i] <= -2 THEN
            SELECT e.position, e.revision INTO head, last FROM events e
                WHERE e.attempt = this_attempt
                    AND e.stream_id = ids[i] AND e.stream_kind = kinds[i]
                ORDER BY e.revision DESC LIMIT 1;
            IF FOUND THEN
                states[i] := 3;
                lasts[i] := last;
                ends[i] := head;
                CONTINUE;
            END IF;
        END IF;
        last := lasts[i];
        fits := CASE expectations[i]
            WHEN -1 THEN last IS NULL
            WHEN -2 THEN last IS NOT NULL
            WHEN -3 THEN true
            ELSE last IS NOT DISTINCT FROM expectations[i]
        END;
        -- A revision is 32 bits, and its sequence is one more.
        IF fits AND coalesce(last, -1) + counts[i] < 4294967294 THEN
            begins[i] := next + 1;
            revisions[i] := coalesce(last, -1) + 1;
            next := next + counts[i];
            ends[i] := next;
            lasts[i] := coalesce(last, -1) + counts[i];
        ELSE
            states[i] := 1;
        END IF;
    END LOOP;

    IF EXISTS (SELECT 1 FROM unnest(begins) AS b WHERE b >= 0) THEN
        INSERT INTO events
                (position, at, revision, stream_id, type, stream_kind, version, attempt, body)
            SELECT begins[e.place] + e.index, e.at, revisions[e.place] + e.index,
                ids[e.place], e.type, kinds[e.place], e.version,
                CASE WHEN expectations[e.place] <= -2 THEN this_attempt END, e.body
            FROM unnest(places, indexes, types, versions, ats, bodies)
                AS e(place, index, type, version, at, body)
            WHERE begins[e.place] >= 0;
        IF cardinality(partitions) > 0 THEN
            INSERT INTO work (stream_id, stream_kind, partition, begun)
                SELECT ids[i], kinds[i], partitions[i], begins[i]
                FROM generate_series(1, appends) AS i
                WHERE begins[i] >= 0 AND revisions[i] = 0 AND partitions[i] >= 0 AND NOT overs[i];
            DELETE FROM work w USING generate_series(1, appends) AS i
                WHERE w.stream_id = ids[i] AND w.stream_kind = kinds[i]
                    AND begins[i] >= 0 AND overs[i];
        END IF;
        PERFORM pg_notify(current_schema() || '_events', next::text);
    END IF;
END
$$;
