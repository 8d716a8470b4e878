use super::without_values;

#[test]
fn value_after_the_name_of_a_secret_is_replaced_in_every_notation() {
    for text in [
        "API_KEY=hidden",
        "STRIPE_KEY=hidden",
        "api key = hidden",
        "access_key: hidden",
        "\"secret-key\" : hidden",
        r#"{"auth":"hidden"}"#,
        r#"{\"key\":\"hidden\"}"#,
        r#"{"password": "hid\"hidden"}"#,
        "{'pass': 'hidden hidden'}",
        "Server=db;User=sa;Pwd=hidden;Port=1",
        "user=u pass=hidden host=h",
        "connect.sid=hidden",
        "PHPSESSID=hidden; path=/",
        "Set-Cookie: a=hidden; Path=/; hidden",
        "x-api-key: hidden1",
        "X-Api-Key:hidden1",
        "Authorization: Basic hidden",
        "authorization=Bearer hidden",
        "Bearer hidden0hidden",
        "--password hidden",
        "[\"--password\" \"hidden\"]",
        "\"--pat\",\"hidden\"",
        "--otp=hidden",
        "<password>hidden</password>",
        "?key=hidden&x=1",
        "X-Amz-Signature=hidden&X-Amz-Credential=hidden",
        "the password: hidden was refused",
        "logged in with password hidden7",
        "the password is hidden7",
        "DB_PASS=hidden, DB_PASS: hidden2",
        "map[password:hidden user:a]",
        "{User:a Password:hidden}",
        "token => 'hidden'",
        "secret := \"hidden\"",
        "password=hidden,hidden",
        "x{token=\"hidden\"}",
        "machine api.example login shop password hidden",
        "the new password is: hidden",
        "proxy_set_header Authorization \"Basic hidden\";",
        "SETTING=pass: hidden",
        "password \"hidden\"",
        "passphrase: hidden hidden hidden",
        "secret: |\n  hidden\n  hidden\nnext: 1",
        "password:\n  hidden",
        "password=[hidden]",
        "PASSWORD=<hidden>",
        "map[pass:hidden]",
        "&{Token:hidden URL:x}",
        "Some(Secret(\"hidden\"))",
        "<add key=\"ApiKey\" value=\"hidden\"/>",
        "<property name=\"password\" value=\"hidden\"/>",
        "{\"name\":\"DB_PASSWORD\",\"value\":\"hidden\"}",
        "- name: DB_PASSWORD\n  value: hidden",
        "-Djavax.net.ssl.keyStorePassword=hidden",
        "Passwort: hidden, contraseña: hidden, 密码：hidden",
    ] {
        let once = without_values(text, "(left out)");
        assert!(!once.contains("hidden") && once.contains("(left out)"), "{text}: {once}");
        assert_eq!(without_values(&once, "(left out)"), once, "{text}");
    }
}

#[test]
fn ordinary_text_is_unchanged() {
    for text in [
        "MountVolume.SetUp failed for volume \"x\" : secret \"x\" not found",
        "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized",
        "couldn't find key password in Secret shop/db",
        "couldn't find key: API_KEY in Secret shop/db",
        "references non-existent secret key: password",
        "spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type",
        "failed to get secret: secrets \"x\" not found",
        "Back-off pulling image \"shop/token:1.2\"",
        "probe did not pass: status 503",
        "exceeded quota: few, requested: secrets=1, used: secrets=10, limited: secrets=10",
        "exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1",
        "sum(rate(http_requests_total{session=\"a\",key=~\"b|c\",pod!=\"\"}[2m])) by (pod)",
        "the HPA was unable to compute the replica count: unable to get metric session_tokens_per_second: no metrics",
        "read tcp 10.0.0.1:1234->10.0.0.2:9090: read: connection reset by peer",
        "exec: \"/app/key-server\": stat /app/key-server: no such file or directory",
        "basic training, token bucket, bearer of bad news, Basic authentication required",
        "docker run -p 8080:80 -u 1000:1000",
        "tls_key_file=/etc/tls/key.pem, auth=false",
        "\"auths\":{\"registry\":{}}",
    ] {
        assert_eq!(without_values(text, "(left out)"), text);
    }
}
