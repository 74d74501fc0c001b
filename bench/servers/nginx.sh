#!/bin/sh
# Owns nginx as a server of one constant response, in one process. Knows nothing of who measures it.
#
# usage: nginx.sh PORT DIRECTORY      its configuration and its process id are kept in DIRECTORY
set -eu
port=$1 directory=$2
PATH=$PATH:/usr/sbin
cat >"$directory/nginx.conf" <<END
daemon off;
master_process off;
error_log stderr;
pid $directory/nginx.pid;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path $directory/nginx-body;
  proxy_temp_path $directory/nginx-proxy;
  fastcgi_temp_path $directory/nginx-fastcgi;
  uwsgi_temp_path $directory/nginx-uwsgi;
  scgi_temp_path $directory/nginx-scgi;
  server {
    listen 127.0.0.1:$port;
    default_type text/plain;
    location / { return 200 "Hello from wasyncore.\n"; }
  }
}
END
exec nginx -e stderr -p "$directory" -c "$directory/nginx.conf"
