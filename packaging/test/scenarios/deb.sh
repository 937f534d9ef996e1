# apt install ./x.deb, two Component lines, restart, and it runs; purge leaves nothing.

snapshot >/tmp/before
apt-get install --yes --quiet --no-install-recommends /dist/prosody-components_*.deb
configure
start_prosody
converse

apt-get install --yes --quiet --reinstall /dist/prosody-components_*.deb | tee /tmp/upgrade
grep -q 'restart Prosody' /tmp/upgrade || fail 'an upgrade does not tell to restart'
stop_prosody

test -s /usr/share/doc/prosody-components/copyright || fail 'no copyright file'
documents=/usr/share/doc/prosody-components
test -s $documents/examples/echo.py || fail 'no examples'
linked $documents/examples/README.markdown $documents/docs/*.markdown
for page in component_http:component_post_url client_proxy:target_address; do
	zcat "/usr/share/man/man5/mod_${page%:*}.5.gz" >/tmp/page
	grep -q "${page#*:}.*(required)" /tmp/page || fail "no manual page of ${page%:*}"
	! grep -E '\\f[A-Z]make [a-z]|examples/README' /tmp/page || fail "the manual page of ${page%:*} names what is not there"
	grep -o '/usr/share/doc[a-z_./-]*[a-z]' /tmp/page | while read -r file; do
		test -e "$file" || fail "the manual page of ${page%:*} names $file"
	done
done

rm /etc/prosody/conf.d/components.cfg.lua
apt-get purge --yes --quiet prosody-components | tee /tmp/purge
[ -e /var/lib/prosody/proxy%2elocalhost/client_proxy.dat ] || fail 'what docs/install.markdown says of the key is not so'
grep -q 'keys of mod_client_proxy stay: /var/lib/prosody/' /tmp/purge || fail 'a purge does not tell of the key'
snapshot >/tmp/after
diff /tmp/before /tmp/after || fail 'purge leaves files'
