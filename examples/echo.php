<?php
// Answers every message with its own text. Run: php -S 127.0.0.1:8080 echo.php

$json = file_get_contents("php://input");
$request = json_decode($json, true);
// No body, for instance "is typing": null means no reply.
$reply = json_encode(isset($request["body"]) ? ["body" => $request["body"]] : null);
file_put_contents("php://stdout", "received $json\nanswered $reply\n");

header("Content-Type: application/json");
echo $reply;
