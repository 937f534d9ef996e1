# What make install lays down under /usr/local and under /usr, on a Prosody as it comes.

for prefix in usr-local usr; do
	cp -a "/staged/$prefix/." /
	[ "$prefix" = usr ] || configure
	start_prosody
	converse
	stop_prosody
	(cd "/staged/$prefix" && find . -type f) | while read -r file; do rm "/$file"; done
done
