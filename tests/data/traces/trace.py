"""One session of libpq with its own trace; `cargo run -p stellata-tests --example trace` runs it.

    trace.py SESSION FILE CONNECTION-STRING

Needs psycopg with the libpq that it brings: pip install 'psycopg[binary]'
"""

import select
import sys

from psycopg import pq


def connect(conninfo, file):
    conn = pq.PGconn.connect_start(conninfo.encode())
    conn.trace(file.fileno())
    conn.set_trace_flags(pq.Trace.SUPPRESS_TIMESTAMPS)
    waiting = pq.PollingStatus.WRITING
    while waiting not in (pq.PollingStatus.OK, pq.PollingStatus.FAILED):
        reading = [conn.socket] if waiting == pq.PollingStatus.READING else []
        writing = [conn.socket] if waiting == pq.PollingStatus.WRITING else []
        select.select(reading, writing, [], 30)
        waiting = conn.connect_poll()
    return conn


def results(conn):
    """All results up to the end of a request; in a pipeline, up to the Sync."""
    while True:
        result = conn.get_result()
        if result is None:
            if conn.pipeline_status == pq.PipelineStatus.OFF:
                return
            continue
        if result.status == pq.ExecStatus.PIPELINE_SYNC:
            return
        yield result


def simple(conn):
    conn.exec_(b"select 1 as one, null as nothing, 'te\"xt' as \"odd \\ name\"; ; select 2")
    conn.exec_(b"create temp table t (n int); insert into t values (1), (2)")
    conn.exec_(b"")
    conn.exec_("select 'ünïcødé', E'tab\\tnewline\\n'".encode())


def errors(conn):
    conn.exec_(b"select nothing from nowhere")
    conn.exec_(b"create temp table t (n int primary key); insert into t values (1), (1)")
    conn.exec_params(b"select 1 / $1::int4", [b"0"])
    conn.exec_(b"begin; select 1/0")
    conn.exec_(b"rollback")


def extended(conn):
    conn.exec_params(b"select $1::int4 + 1, $2::text, $3::int8", [b"7", b"text", None])
    conn.exec_params(
        b"select $1::int4, $2::bytea",
        [b"\0\0\0\x07", b"\0\xff'\\"],
        param_types=[23, 17],
        param_formats=[1, 1],
        result_format=1,
    )
    conn.prepare(b"named", b"select generate_series(1, $1)", [23])
    conn.describe_prepared(b"named")
    conn.exec_prepared(b"named", [b"3"])
    conn.close_prepared(b"named")
    conn.exec_params(b"", [])


def pipeline(conn):
    conn.enter_pipeline_mode()
    conn.send_query_params(b"select 1", [])
    conn.send_query_params(b"select 1/0", [])
    conn.send_query_params(b"select 3", [])
    conn.pipeline_sync()
    conn.send_query_params(b"select 4", [])
    conn.send_flush_request()
    conn.pipeline_sync()
    conn.flush()
    for _ in range(2):
        list(results(conn))
    conn.exit_pipeline_mode()


def copy(conn):
    conn.exec_(b"create temp table t (n int, name text)")
    conn.exec_(b"copy t from stdin")
    conn.put_copy_data(b"1\tone\n2\t")
    conn.put_copy_data(b"two\n")
    conn.put_copy_end()
    list(results(conn))
    conn.exec_(b"copy t from stdin")
    conn.put_copy_end(b"thought better of it")
    list(results(conn))
    for sql in [b"copy t to stdout", b"copy t to stdout (format binary)"]:
        conn.exec_(sql)
        while conn.get_copy_data(0)[0] > 0:
            pass
        list(results(conn))


def asynchronous(conn):
    conn.exec_(b"do $$ begin raise notice 'one'; raise warning 'two' using hint = 'h'; end $$")
    conn.exec_(b"listen channel; notify channel, 'payload'; notify channel")
    conn.exec_(b"set timezone to 'Asia/Tokyo'; set application_name to 'traced'")
    conn.exec_(b"select pg_terminate_backend(pg_backend_pid())")


def login(conn):
    if conn.status == pq.ConnStatus.OK:
        conn.exec_(b"select 1")


SESSIONS = {
    function.__name__: function
    for function in (simple, errors, extended, pipeline, copy, asynchronous, login)
}

if __name__ == "__main__":
    session, path, conninfo = sys.argv[1:]
    with open(path, "w") as file:
        conn = connect(conninfo, file)
        SESSIONS[session](conn)
        conn.finish()
