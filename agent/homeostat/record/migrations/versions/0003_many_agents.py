"""What many agents need to share one journal: one order of writing, leases, and an inbox. PostgreSQL only.

On SQLite this changes nothing: a file has one writing process, which answers for everything in it.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

_TABLES = """
CREATE TABLE head (
    id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    position bigint NOT NULL,
    restricting_position bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO head (position, restricting_position) VALUES (0, 0);

-- `head` gives out the positions, in the order of the commits and without a gap; a sequence would leave gaps.
ALTER TABLE journal ALTER COLUMN position DROP DEFAULT;
DROP SEQUENCE journal_position_seq;

CREATE TABLE agent_process (
    owner uuid PRIMARY KEY,
    agent text NOT NULL,
    spool text NOT NULL,
    version text NOT NULL,
    session bigint NOT NULL,
    blind boolean NOT NULL DEFAULT false,
    watched text[] NOT NULL DEFAULT '{}',
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz
);

CREATE TABLE lease (
    stream text PRIMARY KEY,
    owner uuid,
    agent text NOT NULL,
    fence bigint NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE inbox (
    id text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('answer', 'outcome', 'refused')),
    incident text,
    key text,
    body text NOT NULL,
    put_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX inbox_kind_put_at ON inbox (kind, put_at);

-- Of several agents that anchor at once, one is first.
CREATE UNIQUE INDEX anchor_previous ON anchor (previous);
"""

_BEGIN_SESSION = """
CREATE FUNCTION homeostat_begin_session(p_owner uuid, p_agent text, p_spool text, p_version text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    begun bigint;
BEGIN
    -- Whatever an earlier session of this owner still has in flight is committed by now, or will be refused.
    PERFORM 1 FROM head FOR UPDATE;
    INSERT INTO agent_process (owner, agent, spool, version, session) VALUES (p_owner, p_agent, p_spool, p_version, 1)
    ON CONFLICT (owner) DO UPDATE SET session = agent_process.session + 1
    RETURNING session INTO begun;
    -- One that lives and writes all the same begins another session.
    DELETE FROM agent_process a WHERE coalesce(a.seen_at, a.started_at) < clock_timestamp() - interval '30 days'
    AND a.owner <> p_owner AND NOT EXISTS (SELECT FROM lease l WHERE l.owner = a.owner);
    DELETE FROM inbox b WHERE b.kind <> 'answer' AND b.put_at < clock_timestamp() - interval '30 days'
    AND NOT EXISTS (SELECT FROM incident i WHERE i.stream = b.incident AND i.closed_at IS NULL);
    RETURN begun;
END $$
"""

_APPEND = """
CREATE FUNCTION homeostat_append(
    p_owner uuid, p_session bigint, p_agent text, p_ttl_s float8, p_margin_s float8,
    p_seen bigint, p_standby boolean, p_restricting bigint,
    s_stream text[], s_seq bigint[], s_hash text[], s_new_seq bigint[], s_new_hash text[],
    s_fence bigint[], s_starts boolean[],
    r_version text, r_stream text[], r_seq bigint[], r_type text[], r_v integer[], r_at float8[], r_key text[],
    r_body text[], r_body_sha text[], r_prev_hash text[], r_hash text[],
    f_opens boolean[], f_stream text[], f_at float8[], f_policy text[], f_policy_hash text[], f_dedup_key text[]
) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    before head%ROWTYPE;
    incident_closed_at float8;
    held lease%ROWTYPE;
    head_seq bigint;
    head_hash text;
    n integer;
BEGIN
    SELECT * INTO before FROM head FOR UPDATE;
    PERFORM 1 FROM agent_process WHERE owner = p_owner AND session = p_session;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'HS005', MESSAGE = 'this session was replaced by a later one';
    END IF;
    IF p_seen < before.restricting_position THEN
        RAISE EXCEPTION USING ERRCODE = 'HS004', MESSAGE = 'facts were written after the given position';
    END IF;
    IF p_standby AND (current_setting('synchronous_standby_names') = ''
                      OR current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')) THEN
        RAISE EXCEPTION USING ERRCODE = 'HS006', MESSAGE = 'no standby is synchronous';
    END IF;
    FOR n IN 1 .. cardinality(s_stream) LOOP
        SELECT closed_at INTO incident_closed_at FROM incident WHERE stream = s_stream[n];
        IF FOUND AND incident_closed_at IS NULL THEN
            SELECT * INTO held FROM lease WHERE stream = s_stream[n];
            IF held.owner IS DISTINCT FROM p_owner OR held.fence IS DISTINCT FROM s_fence[n] THEN
                RAISE EXCEPTION USING ERRCODE = 'HS003', MESSAGE = s_stream[n],
                    DETAIL = coalesce(held.agent, '');
            END IF;
            IF s_starts[n] AND held.expires_at <= clock_timestamp() + make_interval(secs => p_margin_s) THEN
                RAISE EXCEPTION USING ERRCODE = 'HS008', MESSAGE = s_stream[n];
            END IF;
        ELSIF FOUND AND (s_fence[n] IS NOT NULL OR s_starts[n]) THEN
            RAISE EXCEPTION USING ERRCODE = 'HS003', MESSAGE = s_stream[n], DETAIL = '';
        END IF;
        SELECT seq, hash INTO head_seq, head_hash FROM journal WHERE stream = s_stream[n] ORDER BY seq DESC LIMIT 1;
        IF coalesce(head_seq, 0) <> s_seq[n] THEN
            RAISE EXCEPTION USING ERRCODE = 'HS001', MESSAGE = s_stream[n],
                DETAIL = coalesce(head_seq, 0) || ' ' || coalesce(head_hash, repeat('0', 64));
        ELSIF head_hash <> s_hash[n] THEN
            RAISE EXCEPTION USING ERRCODE = 'HS007', MESSAGE = s_stream[n], DETAIL = head_seq;
        END IF;
    END LOOP;
    INSERT INTO journal (position, stream, seq, type, v, at, action_key, code_version, body_sha, prev_hash, hash, body)
    SELECT before.position + r.n, r.stream, r.seq, r.type, r.v, r.at, r.key, r_version, r.body_sha, r.prev_hash,
           r.hash, r.body
    FROM unnest(r_stream, r_seq, r_type, r_v, r_at, r_key, r_body_sha, r_prev_hash, r_hash, r_body) WITH ORDINALITY
         AS r (stream, seq, type, v, at, key, body_sha, prev_hash, hash, body, n);
    FOR n IN 1 .. cardinality(f_stream) LOOP
        IF f_opens[n] THEN
            INSERT INTO incident (stream, policy, policy_hash, dedup_key, opened_at, head_seq, head_hash)
            VALUES (f_stream[n], f_policy[n], f_policy_hash[n], f_dedup_key[n], f_at[n], 0, '');
            INSERT INTO lease (stream, owner, agent, fence, expires_at)
            VALUES (f_stream[n], p_owner, p_agent, 1, clock_timestamp() + make_interval(secs => p_ttl_s));
        ELSE
            UPDATE incident SET closed_at = f_at[n] WHERE stream = f_stream[n] AND closed_at IS NULL;
            IF NOT FOUND THEN
                RAISE EXCEPTION USING ERRCODE = 'HS002', MESSAGE = f_stream[n];
            END IF;
            DELETE FROM lease WHERE stream = f_stream[n];
            DELETE FROM inbox WHERE kind = 'outcome' AND incident = f_stream[n];
        END IF;
    END LOOP;
    FOR n IN 1 .. cardinality(s_stream) LOOP
        UPDATE incident SET head_seq = s_new_seq[n], head_hash = s_new_hash[n] WHERE stream = s_stream[n];
    END LOOP;
    UPDATE head SET
        position = before.position + cardinality(r_stream),
        restricting_position = CASE WHEN p_restricting > 0 THEN before.position + p_restricting
                                    ELSE before.restricting_position END;
    RETURN before.position + cardinality(r_stream);
END $$
"""

_ACQUIRE = """
CREATE FUNCTION homeostat_acquire(
    p_owner uuid, p_agent text, p_ttl_s float8, p_waits_s float8, p_watched text[]
) RETURNS TABLE (stream text, fence bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    agents bigint;
    streams bigint;
    room bigint;
BEGIN
    IF NOT EXISTS (
        SELECT FROM lease l WHERE l.expires_at <= clock_timestamp() AND l.owner IS DISTINCT FROM p_owner
        AND (l.stream = ANY (p_watched)
             OR EXISTS (SELECT FROM incident i WHERE i.stream = l.stream AND i.closed_at IS NULL))
    ) AND NOT EXISTS (
        SELECT FROM unnest(p_watched) AS w (stream) WHERE NOT EXISTS (SELECT FROM lease l WHERE l.stream = w.stream)
    ) THEN
        RETURN;
    END IF;
    -- In one order with the appends: nothing written under the old fence can be committed after this is.
    PERFORM 1 FROM head FOR UPDATE;
    INSERT INTO lease (stream, owner, agent, fence, expires_at)
    SELECT w.stream, NULL, '', 0, clock_timestamp() FROM unnest(p_watched) AS w (stream) ON CONFLICT DO NOTHING;
    SELECT 1 + count(*) INTO agents FROM agent_process a
    WHERE a.owner <> p_owner AND NOT a.blind AND a.seen_at > clock_timestamp() - make_interval(secs => p_ttl_s);
    SELECT cardinality(p_watched) + count(*) INTO streams FROM incident i WHERE i.closed_at IS NULL;
    SELECT ceil(streams / agents::float8) - count(*) INTO room FROM lease l WHERE l.owner = p_owner;
    RETURN QUERY
    UPDATE lease SET
        owner = p_owner, agent = p_agent, fence = lease.fence + 1,
        expires_at = clock_timestamp() + make_interval(secs => p_ttl_s)
    FROM (
        SELECT free.stream, row_number() OVER (ORDER BY free.expires_at, free.stream) AS n,
               free.expires_at <= clock_timestamp() - make_interval(secs => p_waits_s) AS overdue
        FROM (
            SELECT l.stream, l.expires_at FROM lease l
            WHERE l.expires_at <= clock_timestamp() AND l.owner IS DISTINCT FROM p_owner
            AND (l.stream = ANY (p_watched)
                 OR EXISTS (SELECT FROM incident i WHERE i.stream = l.stream AND i.closed_at IS NULL))
            FOR UPDATE OF l SKIP LOCKED
        ) AS free
    ) AS free
    WHERE lease.stream = free.stream AND (free.overdue OR free.n <= room)
    RETURNING lease.stream, lease.fence;
END $$
"""

_HAND_OVER = """
CREATE FUNCTION homeostat_hand_over(p_owner uuid, p_ttl_s float8, p_watched text[], p_blind boolean)
RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
    agents bigint;
    share bigint;
    surplus bigint;
BEGIN
    SELECT count(*) INTO agents FROM agent_process a
    WHERE a.owner <> p_owner AND NOT a.blind AND a.seen_at > clock_timestamp() - make_interval(secs => p_ttl_s);
    IF agents = 0 THEN
        RETURN;
    END IF;
    SELECT ceil((cardinality(p_watched) + count(*)) / (agents + 1)::float8) INTO share
    FROM incident i WHERE i.closed_at IS NULL;
    SELECT count(*) - share INTO surplus FROM lease l WHERE l.owner = p_owner;
    IF surplus <= 1 AND NOT p_blind THEN
        RETURN;
    END IF;
    RETURN QUERY
    UPDATE lease SET owner = NULL, expires_at = clock_timestamp()
    WHERE lease.owner = p_owner AND lease.stream IN (
        SELECT l.stream FROM lease l
        WHERE l.owner = p_owner AND l.stream = ANY (p_watched)
        AND (p_blind OR NOT EXISTS (
            SELECT FROM incident i WHERE i.closed_at IS NULL AND 'policy/' || i.policy = l.stream))
        AND EXISTS (
            SELECT FROM agent_process a
            WHERE a.owner <> p_owner AND NOT a.blind AND a.seen_at > clock_timestamp() - make_interval(secs => p_ttl_s)
            AND l.stream = ANY (a.watched)
            AND (p_blind OR (SELECT count(*) FROM lease other WHERE other.owner = a.owner) < share))
        ORDER BY l.stream LIMIT CASE WHEN p_blind THEN NULL ELSE surplus END)
    RETURNING lease.stream;
END $$
"""


def upgrade() -> None:
    """Create the tables and the functions that every write goes through."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for statements in (_TABLES, _BEGIN_SESSION, _APPEND, _ACQUIRE, _HAND_OVER):
        # Without parameters the driver leaves each % alone.
        op.get_bind().exec_driver_sql(statements, execution_options={"no_parameters": True})


def downgrade() -> None:
    """There is no way back from a journal."""
    raise NotImplementedError("the journal is append-only; restore a backup made by the older release")
