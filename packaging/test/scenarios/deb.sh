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
test -s /usr/share/doc/prosody-components/examples/echo.py || fail 'no examples'
for page in component_http:component_post_url client_proxy:target_address; do
	zgrep -q "${page#*:}.*(required)" "/usr/share/man/man5/mod_${page%:*}.5.gz" || fail "no manual page of ${page%:*}"
done

rm /etc/prosody/conf.d/components.cfg.lua
apt-get purge --yes --quiet prosody-components
snapshot >/tmp/after
diff /tmp/before /tmp/after || fail 'purge leaves files'
