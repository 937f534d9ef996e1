# What the scenarios share. Runs inside the stock Debian: in-root.sh SCENARIO

export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 DEBIAN_FRONTEND=noninteractive
cd /
ip link set lo up

fail() {
	echo "FAILED: $*" >&2
	tail -n 30 /var/log/prosody/prosody.log /var/log/prosody/prosody.err >&2 || true
	exit 1
}

# The files that an installation could touch. What Prosody stores is not part of it.
snapshot() {
	find /etc /opt /usr /var -path /var/lib/dpkg -prune -o -path /var/lib/apt -prune -o \
		-path /var/cache -prune -o -path /var/lib/prosody -prune -o -path /var/log -prune -o -print | sort
}

# What an admin writes into the configuration.
configure() {
	cat >/etc/prosody/conf.d/components.cfg.lua <<-END
		c2s_require_encryption = false
		allow_unencrypted_plain_auth = true
		Component "bot.localhost" "component_http"
		    component_post_url = "http://127.0.0.1:8080/"
		Component "proxy.localhost" "client_proxy"
		    target_address = "implementation@localhost"
	END
	prosodyctl register alice localhost secret
	prosodyctl register implementation localhost secret
}

# Tells Prosody of a directory with modules, in the list that Debian's configuration has.
search_in() {
	sed -i "s,^plugin_paths = {,& \"$1\"\\,," /etc/prosody/prosody.cfg.lua
	grep -q "^plugin_paths.*$1" /etc/prosody/prosody.cfg.lua || fail "Debian's configuration has no plugin_paths"
}

# Does what docs/install.markdown has an admin type in that section: as_documented SECTION GREP_ARGUMENT…
as_documented() {
	section=$1
	shift
	eval "$(sed -n "/^## $section\$/,/^##/s/^    \(sudo .*\)/\1/p" /test/install.markdown | grep "$@")"
}
sudo() {
	if [ "$1" = -u ]; then
		user=$2
		shift 2
		set -- setpriv --reuid="$user" --regid="$user" --init-groups env HOME="$(getent passwd "$user" | cut -d : -f 6)" "$@"
	fi
	"$@"
}

# Goes to a working copy, with these rocks in it, in a home that only its owner can look into.
enter_private_home() {
	install -d -m 700 /home/admin
	rm -rf /home/admin/prosody-components
	mkdir -p /home/admin/prosody-components/target/dist
	cp -r "$1" /home/admin/prosody-components/target/dist/rocks
	cd /home/admin/prosody-components || exit
}

# The first line of prosody names its Lua.
prosodys_lua() { sed -n '1s/.*lua//p' /usr/bin/prosody; }

# As Debian's systemd unit does it; its init script looks for another Lua when it is to stop Prosody.
start_prosody() {
	install -d -o prosody -g prosody /run/prosody
	setpriv --reuid=prosody --regid=prosody --init-groups prosody -F >/dev/null &
	prosody=$!
}
stop_prosody() {
	kill "$prosody"
	wait "$prosody" || fail "Prosody ends with status $?"
}

# Two conversations: one with a web service, one with a client behind its proxy.
converse() { python3 /test/converse.py || fail 'the components do not answer'; }

# Every file that these documents link to is there.
linked() {
	for document in "$@"; do
		grep -o ']([^):]*)' "$document" | sed 's/^](\([^#)]*\).*/\1/' | while read -r file; do
			test -e "$(dirname "$document")/$file" || fail "$document names $file"
		done
	done
}

# Waits for a log line with that pattern.
logged() {
	for _ in $(seq 200); do
		! grep -q "$1" /var/log/prosody/prosody.log || return 0
		sleep 0.1
	done
	fail "no log line with: $1"
}

scenario=/test/scenarios/$1.sh
grep -q '^# Needs:' "$scenario" || for tool in cc gcc cargo rustc; do
	! command -v "$tool" || fail "$tool is here; a stock system has none"
done

# shellcheck source=/dev/null
. "$scenario"
echo "passed: $1"
