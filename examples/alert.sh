#!/bin/sh
# Sends a text to an address. Run: PUSH_URL=http://… PUSH_TOKEN=… ./alert.sh JID TEXT
curl --silent --show-error --fail-with-body --header "Authorization: Bearer $PUSH_TOKEN" \
	--header 'Content-Type: text/plain' --data-binary "$2" "$PUSH_URL/to/$1"
