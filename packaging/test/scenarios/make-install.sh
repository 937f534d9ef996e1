# What make install lays down under /usr/local and under /usr, on a Prosody as it comes; and a
# module that is newer than the library says what to do.

remove() { (cd "/staged/$1" && find . -type f) | while read -r file; do rm "/$file"; done; }

configure
for prefix in usr-local usr; do
	cp -a "/staged/$prefix/." /
	start_prosody
	converse
	stop_prosody
	[ "$prefix" = usr ] || remove "$prefix"
done

for module in /usr/lib/prosody/modules/mod_component_http.lua /usr/lib/prosody/modules/mod_client_proxy.lua; do
	sed -i 's/^local VERSION = .*/local VERSION = "9.9.9";/' "$module"
done
: >/var/log/prosody/prosody.log
start_prosody
for host in bot.localhost:component_http proxy.localhost:client_proxy; do
	logged "$host.*error.*9\\.9\\.9.*restart Prosody"
done
stop_prosody
