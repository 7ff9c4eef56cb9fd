// @ts-check
// nginx, when it is installed: one process, nothing buffered. Knows nothing of MCP.
import { startNative } from './common/native.mjs'

export const title = 'nginx'

/** @param {URL} upstream */
export const start = ({ host }) =>
  startNative(
    'nginx',
    (folder, file) => ['-e', `${folder}/error.log`, '-p', folder, '-c', file],
    (port, folder) => `
daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log crit;
events { worker_connections 16000; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  upstream mcp {
    server ${host};
    keepalive 128;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://mcp;
      proxy_http_version 1.1;
      proxy_set_header Connection '';
      proxy_buffering off;
      proxy_read_timeout 1h;
    }
  }
}
`,
  )
