"""nginx and HAProxy in front of web services, each as a process of its own on a free loopback port."""

import os
import shutil
import tempfile

import pytest

from .web_service import WebService

CONFIGURATIONS = {
    "nginx": """
        daemon off; master_process off; pid {directory}/pid; error_log stderr;
        events {{ }}
        http {{
            access_log off;
            client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
            fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
            upstream bot {{ {servers} keepalive 32; }}
            server {{
                listen 127.0.0.1:{port};
                keepalive_timeout 75s 60s;
                location / {{
                    proxy_pass http://bot; proxy_http_version 1.1; proxy_set_header Connection "";
                }}
            }}
        }}
    """,
    "haproxy": """
        defaults
            mode http
            timeout connect 2s
            timeout client 60s
            timeout server 60s
            option redispatch
        listen bot
            bind 127.0.0.1:{port}
            {servers}
    """,
}
SERVERS = {"nginx": "server 127.0.0.1:{port};", "haproxy": "server s{number} 127.0.0.1:{port} check inter 200\n"}
ARGUMENTS = {"nginx": ("-p", "{directory}", "-c", "{file}"), "haproxy": ("-db", "-f", "{file}")}


class Balancer(WebService):
    """A context manager: `with Balancer("nginx", [8081, 8082]) as balancer`, whose `url` leads to these ports.

    The test is skipped where the program is not installed.
    """

    def __init__(self, name, ports):
        program = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
        if not program:
            pytest.skip(f"{name} is not installed")
        self._directory = tempfile.TemporaryDirectory(prefix=f"{name}-")
        file = f"{self._directory.name}/{name}.conf"
        super().__init__(program, *(part.format(directory=self._directory.name, file=file) for part in ARGUMENTS[name]))
        servers = [SERVERS[name].format(number=number, port=port) for number, port in enumerate(ports)]
        with open(file, "w", encoding="utf-8") as configuration:
            configuration.write(CONFIGURATIONS[name].format(
                directory=self._directory.name, port=self.port, servers="            ".join(servers)) + "\n")

    def __exit__(self, *arguments):
        super().__exit__(*arguments)
        self._directory.cleanup()
