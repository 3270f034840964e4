"""What the rig's servers read. Every address is 127.0.0.1."""

from __future__ import annotations

from homeostat.rig.layout import Layout

POOL_SIZE = 5
POOL_SIZE_GROWN = 12
SCRAPE_S = 1


def prometheus(layout: Layout) -> str:
    """Scrape everything each second, and tell Alertmanager."""
    ports = layout.ports
    targets = {
        "payments": ports["payments_a"],
        "auth": ports["auth"],
        "exporter": ports["exporter"],
        "haproxy": ports["haproxy_metrics"],
    }
    jobs = "".join(
        f"- job_name: {job}\n  static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n" for job, port in targets.items()
    )
    return (
        f"global: {{scrape_interval: {SCRAPE_S}s, scrape_timeout: {SCRAPE_S}s, evaluation_interval: {SCRAPE_S}s}}\n"
        f"rule_files: [rules.yml]\n"
        f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{ports['alertmanager']}']}}]}}]}}\n"
        f"scrape_configs:\n{jobs}"
    )


def prometheus_rules() -> str:
    """The one alert people would get."""
    return (
        "groups:\n- name: payments\n  rules:\n  - alert: PaymentsFail\n"
        '    expr: sum(rate(haproxy_frontend_http_responses_total{code="5xx"}[5s])) > 1\n'
        "    for: 10s\n    labels: {severity: page}\n"
    )


def alertmanager() -> str:
    """Nobody is called: the alerts can be read."""
    return "route: {receiver: nobody, group_wait: 1s}\nreceivers: [{name: nobody}]\n"


def pgbouncer(layout: Layout, *, database_port: int, pool_size: int) -> str:
    """Transaction mode, with a pool small enough to be exhausted by whoever keeps transactions open."""
    return (
        f"[databases]\npayments = host=127.0.0.1 port={database_port} dbname=payments user=payments\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {layout.ports['pgbouncer']}\nunix_socket_dir =\n"
        f"auth_type = any\npool_mode = transaction\ndefault_pool_size = {pool_size}\nmax_client_conn = 400\n"
        "query_wait_timeout = 2\nserver_login_retry = 1\nserver_connect_timeout = 2\nserver_lifetime = 60\n"
        "stats_users = rig\nadmin_users = rig\nignore_startup_parameters = extra_float_digits\nlog_connections = 0\n"
        "log_disconnections = 0\ntcp_keepalive = 0\n"
    )


def haproxy(layout: Layout) -> str:
    """Users come in here; `a` is the release that is deployed, `b` the standby with the one before."""
    ports = layout.ports
    return (
        f"global\n  stats socket {layout.folder}/haproxy.sock mode 600 level admin\n  maxconn 400\n"
        "defaults\n  mode http\n  timeout connect 500ms\n  timeout client 5s\n  timeout server 1s\n"
        "  timeout queue 500ms\n  retries 0\n"
        f"frontend users\n  bind 127.0.0.1:{ports['haproxy']}\n  default_backend payments\n"
        f"frontend metrics\n  bind 127.0.0.1:{ports['haproxy_metrics']}\n"
        "  http-request use-service prometheus-exporter if { path /metrics }\n"
        "backend payments\n"
        f"  server a 127.0.0.1:{ports['payments_a']} weight 100\n"
        f"  server b 127.0.0.1:{ports['payments_b']} weight 0\n"
    )


def postgres(layout: Layout, name: str) -> str:
    """Small, and without fsync: what a drill loses is lost by the fault, not by a power cut."""
    return (
        f"listen_addresses = '127.0.0.1'\nport = {layout.ports[name]}\nunix_socket_directories = ''\n"
        "max_connections = 60\nshared_buffers = 16MB\nfsync = off\nwal_level = replica\nhot_standby = on\n"
        "max_wal_senders = 6\nwal_keep_size = 64MB\nlog_min_messages = warning\nmax_wal_size = 64MB\n"
        "min_wal_size = 8MB\nwal_receiver_timeout = 5s\n"
    )
