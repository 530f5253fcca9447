/// The tables of the spike, and the two procedures that write to them. Times are milliseconds since 1970.
public enum Schema {
    /// Of the lock under which positions are given out, and held until the commit: so commits with events queue, and
    /// a position is visible only together with all positions before it.
    static let positionLock = 7_001

    public static let script = tables + write + reserve

    /// A row of `nodes` is a holder. Only a take-over removes it.
    ///
    /// `events` has no row of its own for a head: `max(seq)` under the job's row lock is the head. The index of
    /// `(job, seq)` is an alarm, because it would hold within one partition only.
    private static let tables = """
        CREATE TABLE meta (epoch bigint NOT NULL, system_identifier text NOT NULL, timeline text NOT NULL);
        CREATE SEQUENCE node_ids;
        CREATE TABLE nodes (id bigint PRIMARY KEY, beat bigint NOT NULL DEFAULT 0);
        CREATE TABLE batches (
            node bigint, number bigint, answer text, PRIMARY KEY (node, number));
        CREATE TABLE queues (
            name text COLLATE "C" PRIMARY KEY, paused boolean NOT NULL DEFAULT false, virtual bigint NOT NULL DEFAULT 0);
        CREATE TABLE shares (
            queue text COLLATE "C", tenant text COLLATE "C", served bigint NOT NULL DEFAULT 0, PRIMARY KEY (queue, tenant));
        CREATE TABLE jobs (
            key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text COLLATE "C" NOT NULL UNIQUE,
            tenant text COLLATE "C" NOT NULL, definition text NOT NULL, priority int NOT NULL, input text NOT NULL,
            metadata text NOT NULL, simulation text, retry_of text, created_at bigint NOT NULL, state text NOT NULL,
            phase text NOT NULL, stage_index int NOT NULL, stage_queue text COLLATE "C" NOT NULL, stage_state text NOT NULL,
            attempt int NOT NULL, stage_progress float8 NOT NULL, fence bigint NOT NULL, holder bigint,
            reserved_by bigint, due_at bigint, checkpoint text, started_at bigint, started_steady bigint,
            stage_started_at bigint, stage_started_steady bigint, output text, error text, finished_at bigint,
            CHECK ((holder IS NOT NULL) = (stage_state = 'running'))) WITH (fillfactor = 70);
        CREATE INDEX jobs_ready ON jobs (stage_queue, tenant, priority DESC, key) WHERE stage_state = 'queued';
        CREATE INDEX jobs_held ON jobs (holder) WHERE holder IS NOT NULL;
        CREATE INDEX jobs_queued ON jobs (tenant) WHERE state = 'queued';
        CREATE TABLE stages (
            job bigint, number int, state text NOT NULL, progress float8 NOT NULL, attempt int NOT NULL, output text,
            started_at bigint, finished_at bigint, PRIMARY KEY (job, number));
        CREATE TABLE idempotency (
            tenant text COLLATE "C", key text COLLATE "C", fingerprint text NOT NULL, job text NOT NULL,
            PRIMARY KEY (tenant, key));
        CREATE SEQUENCE positions INCREMENT 1000 CACHE 1;
        CREATE TABLE events (
            position bigint PRIMARY KEY, job bigint NOT NULL, seq bigint NOT NULL, type text NOT NULL, at bigint NOT NULL,
            payload text NOT NULL, UNIQUE (job, seq));
        INSERT INTO meta SELECT floor(random() * 4294967295)::bigint, system_identifier::text,
            substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) FROM pg_control_system();

        """

    /// Executes plans. Locks are taken in one order everywhere: the guard, holders, queues, keys, jobs by key, and last
    /// the position. Each statement after a lock sees what the lock's last owner has committed.
    ///
    /// The row of the batch is inserted before the position lock. If the node has settled the batch meanwhile, this
    /// INSERT fails and with it the whole batch.
    private static let write = """
        CREATE PROCEDURE lt_write(p_node bigint, p_number bigint, p_plans jsonb, INOUT p_answer text)
        LANGUAGE plpgsql AS $$
        DECLARE
            plan jsonb; expect jsonb; after jsonb; n bigint; stored jobs; head bigint; heads jsonb := '{}';
            verdicts text[] := array_fill('stale'::text, ARRAY[jsonb_array_length(p_plans)]);
            job_key bigint; first bigint; previous bigint; has_events boolean := false;
        BEGIN
            PERFORM FROM nodes WHERE id = p_node FOR KEY SHARE;
            IF NOT FOUND THEN p_answer := '{"isGone":true}'; COMMIT; RETURN; END IF;
            PERFORM FROM nodes WHERE id IN (SELECT (e ->> 'holder')::bigint FROM jsonb_array_elements(p_plans) e)
                ORDER BY id FOR KEY SHARE;
            PERFORM FROM queues WHERE name IN (SELECT e ->> 'openQueue' FROM jsonb_array_elements(p_plans) e)
                ORDER BY name FOR SHARE;

            FOR plan, n IN SELECT t.e, t.n FROM jsonb_array_elements(p_plans) WITH ORDINALITY t(e, n)
                WHERE t.e ->> 'rows' = 'insert'
                ORDER BY (t.e -> 'new' ->> 'tenant') COLLATE "C", (t.e -> 'new' ->> 'key') COLLATE "C", t.n
            LOOP
                IF plan -> 'new' ? 'key' THEN
                    INSERT INTO idempotency VALUES (plan -> 'new' ->> 'tenant', plan -> 'new' ->> 'key',
                        plan -> 'new' ->> 'fingerprint', plan ->> 'job') ON CONFLICT DO NOTHING;
                    CONTINUE WHEN NOT FOUND;
                END IF;
                after := plan -> 'after';
                INSERT INTO jobs (id, tenant, definition, priority, input, metadata, simulation, retry_of, created_at, state,
                    phase, stage_index, stage_queue, stage_state, attempt, stage_progress, fence)
                VALUES (plan ->> 'job', plan -> 'new' ->> 'tenant', plan -> 'new' ->> 'definition',
                    (plan -> 'new' ->> 'priority')::int, plan -> 'new' ->> 'input', plan -> 'new' ->> 'metadata',
                    plan -> 'new' ->> 'simulation', plan -> 'new' ->> 'retryOf', (plan ->> 'at')::bigint,
                    after ->> 'state', after ->> 'phase', 0, after ->> 'queue', after ->> 'stageState', 0, 0, 0)
                ON CONFLICT (id) DO NOTHING RETURNING key INTO job_key;
                IF job_key IS NULL THEN
                    DELETE FROM idempotency WHERE tenant = plan -> 'new' ->> 'tenant' AND key = plan -> 'new' ->> 'key';
                    CONTINUE;
                END IF;
                INSERT INTO stages VALUES (job_key, 0, 'queued', 0, 0);
                verdicts[n] := 'done';
                has_events := true;
            END LOOP;

            PERFORM FROM jobs WHERE id IN (SELECT e ->> 'job' FROM jsonb_array_elements(p_plans) e
                WHERE e ->> 'rows' <> 'insert') ORDER BY key FOR UPDATE;
            FOR plan, n IN SELECT t.e, t.n FROM jsonb_array_elements(p_plans) WITH ORDINALITY t(e, n)
                WHERE t.e ->> 'rows' <> 'insert' ORDER BY t.n
            LOOP
                SELECT * INTO stored FROM jobs WHERE id = plan ->> 'job';
                CONTINUE WHEN NOT FOUND;
                IF plan ? 'holder' AND NOT EXISTS (SELECT FROM nodes WHERE id = (plan ->> 'holder')::bigint) THEN
                    verdicts[n] := 'lost';
                    CONTINUE;
                END IF;
                expect := plan -> 'expect';
                after := plan -> 'after';
                head := coalesce((heads ->> stored.id)::bigint, (SELECT max(seq) FROM events WHERE job = stored.key));
                IF head IS DISTINCT FROM (expect ->> 'head')::bigint OR stored.phase <> expect ->> 'phase'
                    OR stored.stage_index <> (expect ->> 'stageIndex')::int
                    OR stored.fence <> (expect ->> 'fence')::bigint
                    OR stored.holder IS DISTINCT FROM (expect ->> 'holder')::bigint
                    OR stored.due_at IS DISTINCT FROM (expect ->> 'dueAt')::bigint
                    OR EXISTS (SELECT FROM queues WHERE name = plan ->> 'openQueue' AND paused)
                THEN
                    IF plan ? 'openQueue' THEN
                        UPDATE jobs SET reserved_by = NULL WHERE key = stored.key AND reserved_by = p_node;
                    END IF;
                    CONTINUE;
                END IF;
                verdicts[n] := 'done';
                heads := heads || jsonb_build_object(stored.id, (after ->> 'head')::bigint);
                has_events := has_events OR jsonb_array_length(plan -> 'events') > 0;
                CASE plan ->> 'rows'
                    WHEN 'none' THEN NULL;
                    WHEN 'checkpoint' THEN
                        UPDATE jobs SET checkpoint = plan ->> 'checkpoint' WHERE key = stored.key;
                    WHEN 'stageIsDue' THEN
                        UPDATE jobs SET due_at = NULL WHERE key = stored.key;
                    ELSE
                        UPDATE jobs SET state = after ->> 'state', phase = after ->> 'phase',
                            stage_index = (after ->> 'stageIndex')::int, stage_queue = after ->> 'queue',
                            stage_state = after ->> 'stageState', attempt = (after ->> 'attempt')::int,
                            stage_progress = (after ->> 'stageProgress')::float8, fence = (after ->> 'fence')::bigint,
                            holder = (after ->> 'holder')::bigint, reserved_by = NULL, due_at = (after ->> 'dueAt')::bigint,
                            started_at = (after ->> 'startedAt')::bigint, started_steady = (after ->> 'startedSteady')::bigint,
                            stage_started_at = (after ->> 'stageStartedAt')::bigint,
                            stage_started_steady = (after ->> 'stageStartedSteady')::bigint,
                            output = plan ->> 'output', error = plan ->> 'error',
                            finished_at = (plan ->> 'finishedAt')::bigint,
                            checkpoint = CASE WHEN (plan ->> 'dropsCheckpoint')::boolean THEN NULL ELSE checkpoint END
                        WHERE key = stored.key;
                        IF plan ->> 'rows' = 'nextStage' THEN
                            UPDATE stages SET state = 'succeeded', progress = 1, output = plan ->> 'stageOutput',
                                finished_at = (plan ->> 'at')::bigint
                            WHERE job = stored.key AND number = stored.stage_index;
                            INSERT INTO stages VALUES (stored.key, (after ->> 'stageIndex')::int, 'queued', 0, 0);
                        ELSE
                            UPDATE stages SET state = after ->> 'stageState',
                                progress = (after ->> 'stageProgress')::float8, attempt = (after ->> 'attempt')::int,
                                started_at = (after ->> 'stageStartedAt')::bigint,
                                finished_at = CASE WHEN plan ? 'finishedAt' THEN (plan ->> 'at')::bigint END
                            WHERE job = stored.key AND number = stored.stage_index;
                        END IF;
                END CASE;
            END LOOP;

            INSERT INTO batches VALUES (p_node, p_number, array_to_json(verdicts)::text);
            IF has_events THEN
                PERFORM pg_advisory_xact_lock(\(positionLock));
                previous := (SELECT coalesce(max(position), 0) FROM events);
                first := nextval('positions');
                INSERT INTO events SELECT first - 1 + row_number() OVER (ORDER BY p.n, v.m), jobs.key,
                        (p.e -> 'after' ->> 'head')::bigint - jsonb_array_length(p.e -> 'events') + v.m,
                        v.d ->> 'type', (p.e ->> 'at')::bigint, v.d ->> 'payload'
                    FROM jsonb_array_elements(p_plans) WITH ORDINALITY p(e, n)
                    JOIN jobs ON jobs.id = p.e ->> 'job',
                    jsonb_array_elements(p.e -> 'events') WITH ORDINALITY v(d, m)
                    WHERE verdicts[p.n] = 'done';
            END IF;
            p_answer := jsonb_build_object('verdicts', verdicts, 'first', first, 'previous', previous,
                'epoch', (SELECT epoch FROM meta));
            COMMIT;
        END $$;

        """

    /// Reserves stages for a node. The queue's row is locked, so reservations of one queue follow one another and the
    /// shares are exact. Stages are skipped while somebody else has them locked, because two nodes could otherwise
    /// wait for each other.
    ///
    /// `start` and `served` are `FairShare.charge`.
    private static let reserve = """
        CREATE PROCEDURE lt_reserve(
            p_node bigint, p_number bigint, p_queue text, p_limit int, INOUT p_answer text)
        LANGUAGE plpgsql AS $$
        DECLARE
            is_paused boolean; start bigint; next_tenant text; next_served bigint; next_job text; skipped text[] := '{}';
            reserved text[] := '{}'; now_ms bigint := (extract(epoch FROM clock_timestamp()) * 1000)::bigint;
        BEGIN
            PERFORM FROM nodes WHERE id = p_node FOR KEY SHARE;
            IF NOT FOUND THEN p_answer := '{"isGone":true}'; COMMIT; RETURN; END IF;
            INSERT INTO queues (name) VALUES (p_queue) ON CONFLICT DO NOTHING;
            SELECT paused, virtual INTO is_paused, start FROM queues WHERE name = p_queue FOR UPDATE;
            INSERT INTO shares (queue, tenant) SELECT DISTINCT stage_queue, tenant FROM jobs
                WHERE stage_queue = p_queue AND stage_state = 'queued' ON CONFLICT DO NOTHING;
            WHILE NOT is_paused AND cardinality(reserved) < p_limit LOOP
                SELECT s.tenant, s.served INTO next_tenant, next_served FROM shares s
                WHERE s.queue = p_queue AND s.tenant <> ALL (skipped) AND EXISTS (
                    SELECT FROM jobs j WHERE j.stage_queue = p_queue AND j.tenant = s.tenant AND j.stage_state = 'queued'
                        AND j.reserved_by IS NULL AND (j.due_at IS NULL OR j.due_at <= now_ms))
                ORDER BY s.served, s.tenant LIMIT 1;
                EXIT WHEN NOT FOUND;
                UPDATE jobs SET reserved_by = p_node WHERE key = (
                    SELECT key FROM jobs WHERE stage_queue = p_queue AND tenant = next_tenant AND stage_state = 'queued'
                        AND reserved_by IS NULL AND (due_at IS NULL OR due_at <= now_ms)
                    ORDER BY priority DESC, key LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id INTO next_job;
                IF NOT FOUND THEN
                    skipped := skipped || next_tenant;
                    CONTINUE;
                END IF;
                start := greatest(next_served, start);
                UPDATE shares SET served = start + 1 WHERE queue = p_queue AND tenant = next_tenant;
                reserved := reserved || next_job;
            END LOOP;
            UPDATE queues SET virtual = start WHERE name = p_queue AND virtual <> start;
            p_answer := jsonb_build_object('reserved', reserved);
            INSERT INTO batches VALUES (p_node, p_number, p_answer);
            COMMIT;
        END $$;

        """
}
