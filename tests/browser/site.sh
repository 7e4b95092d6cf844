# Sourced by the commands beside it: installs Chromium (apt-get) and the driver (npm) where they are missing, and starts
# the example whose site they look at, at $url, until they end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
chromium=${CHROMIUM:-/usr/bin/chromium}
if ! test -x "$chromium"; then
    echo 'installing chromium'
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } >/dev/null || {
        echo 'error: there is no Chromium, and it cannot be installed'
        echo 'hint: as root on Debian: apt-get install chromium; elsewhere set CHROMIUM to its path'
        exit 1
    }
fi
command -v npm >/dev/null || { echo 'error: npm is missing'; echo 'hint: install Node.js 20 or later'; exit 1; }
npm ci --ignore-scripts --no-audit --no-fund --silent
work=$(mktemp -d)
cargo build --quiet --release --example pan_london --manifest-path ../../Cargo.toml
../../target/release/examples/pan_london --site 127.0.0.1:0 > "$work/log" &
server=$!
trap 'kill -INT "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in $(seq 600); do
    url=$(sed -n 's/.*open \(http:[^ ]*\) .*/\1/p' "$work/log")
    test -n "$url" && break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.5
done
test -n "${url:-}" || { cat "$work/log"; echo 'error: the example did not publish a page'; exit 1; }
