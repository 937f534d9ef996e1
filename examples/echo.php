<?php
// Answers every message with its own text. Run: php -S 127.0.0.1:8080 echo.php

$json = file_get_contents("php://input");
file_put_contents("php://stdout", $json . "\n");
$request = json_decode($json, true);

header("Content-Type: application/json");
// No body, for instance "is typing": null means no reply.
echo json_encode(isset($request["body"]) ? ["body" => $request["body"]] : null);
