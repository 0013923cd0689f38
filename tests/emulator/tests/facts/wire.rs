//! Tokens, digits, faults, sockets and the quota, as a client sees them.

use std::time::{Duration, Instant};

use bigcommerce_emulator::{Config, Effect, Fault, Quota, Token};
use reqwest::Method;
use serde_json::Value;

use crate::shop::{Shop, medium};

#[tokio::test]
async fn tokens_stores_and_headers_are_checked() {
    let tokens = vec![Token::all("good"), Token::with_scopes("narrow", &["store_v2_customers_read_only"])];
    let shop = Shop::with(Config { tokens, ..medium() }).await;
    let with = |token: &'static str, method: Method, path: &str| {
        shop.client.request(method, shop.emulator.url(path)).header("x-auth-token", token).send()
    };
    let bad = with("bad", Method::GET, "/v3/catalog/products").await.unwrap();
    assert_eq!((bad.status().as_u16(), bad.text().await.unwrap().starts_with('{')), (401, false));
    assert_eq!(with("bad", Method::GET, "/v2/time").await.unwrap().status(), 401);
    assert_eq!(with("narrow", Method::GET, "/v3/catalog/products").await.unwrap().status(), 403);
    assert_eq!(with("narrow", Method::GET, "/v3/customers").await.unwrap().status(), 200);
    assert_eq!(with("narrow", Method::DELETE, "/v3/customers?id:in=1").await.unwrap().status(), 403);
    assert_eq!(with("narrow", Method::GET, "/v3/hooks?limit=1").await.unwrap().status(), 200);
    let other = shop.emulator.url("/v2/time").replace(shop.emulator.store_hash(), "other");
    assert_eq!(shop.client.get(other).header("x-auth-token", "good").send().await.unwrap().status(), 401);
    let xml = shop.request(Method::GET, "/v3/customers").header("accept", "text/xml");
    let xml = xml.build().unwrap();
    assert_eq!(xml.headers().get_all("accept").iter().count(), 2);
    let only =
        shop.client.get(shop.emulator.url("/v3/customers")).header("x-auth-token", "good").header("accept", "text/xml");
    assert_eq!(only.send().await.unwrap().status(), 406);
    let plain = shop.request(Method::POST, "/v3/catalog/brands").header("content-type", "text/plain").body("{}");
    assert_eq!(plain.send().await.unwrap().status(), 415);
    assert_eq!(with("good", Method::PATCH, "/v3/customers").await.unwrap().status(), 501);
    assert_eq!(with("good", Method::POST, "/v2/time").await.unwrap().status(), 405);
    assert_eq!(with("good", Method::GET, "/v3/nothing").await.unwrap().status(), 404);
    shop.emulator.switch(|s| s.suspended = true);
    assert_eq!(with("good", Method::GET, "/v2/time").await.unwrap().status(), 503);
    let seen = shop.emulator.journal().entries();
    assert!(seen.iter().all(|e| e.header("x-auth-token") == Some("****")));
}

#[tokio::test]
async fn digits_come_out_as_they_went_in() {
    let shop = Shop::with(medium()).await;
    let text = r#"{"id":12345678901234567890,"name":"Big","price":25.00,"cost_price":1e400}"#;
    shop.emulator.store().insert("products", text).unwrap();
    let body = shop.answer("/v3/catalog/products?id:in=12345678901234567890").await.text().await.unwrap();
    assert!(body.starts_with(&format!("{{\"data\":[{text}]")), "{body}");
    let one = shop.answer("/v3/catalog/products/12345678901234567890").await.text().await.unwrap();
    assert!(one.contains(text), "{one}");
    let (status, made) = shop
        .send_text(
            Method::POST,
            "/v3/catalog/products",
            r#"{"name":"New","type":"physical","weight":1.50,"price":19.990000000000000001,"categories":[]}"#,
        )
        .await;
    assert_eq!(status, 200, "{made}");
    assert!(made.contains("\"price\":19.990000000000000001") && made.contains("\"weight\":1.50"), "{made}");
}

#[tokio::test]
async fn resets_tell_by_the_journal_whether_the_store_acted() {
    let shop = Shop::with(medium()).await;
    let body = r#"{"name":"Reset","type":"physical","weight":1,"price":1,"categories":[]}"#;
    let cases =
        [(Effect::ResetBeforeReading, false), (Effect::ResetBeforeActing, false), (Effect::ResetBeforeAnswering, true)];
    for (n, (effect, acts)) in cases.into_iter().enumerate() {
        shop.emulator.journal().clear();
        let before = shop.emulator.store().count("products");
        shop.emulator.fault(Fault::on("POST", "/v3/catalog/products", effect));
        let body = body.replace("Reset", &format!("Reset {n}"));
        let request = shop.request(Method::POST, "/v3/catalog/products").header("content-type", "application/json");
        let failed = request.body(body).send().await;
        assert!(failed.is_err());
        let seen = shop.emulator.journal().entries();
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].acted, seen[0].status), (acts, None));
        assert_eq!(shop.emulator.store().count("products") - before, usize::from(acts));
    }
}

#[tokio::test]
async fn bodies_break_in_every_way() {
    let shop = Shop::with(medium()).await;
    let path = "/v3/catalog/products";
    let whole = shop.answer(path).await.bytes().await.unwrap();
    for effect in [Effect::ResetInBody, Effect::EndInBody] {
        shop.emulator.fault(Fault::on("GET", path, effect));
        let answer = shop.answer(path).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.content_length(), Some(whole.len() as u64));
        assert!(answer.bytes().await.is_err());
    }
    shop.emulator.fault(Fault::on("GET", path, Effect::TruncatedJson));
    let cut = shop.answer(path).await.bytes().await.unwrap();
    assert_eq!(cut, whole.slice(..whole.len() / 2));
    shop.emulator.fault(Fault::on("GET", path, Effect::MalformedJson));
    assert!(shop.answer(path).await.json::<Value>().await.is_err());
    shop.emulator.fault(Fault::on("GET", path, Effect::Pretty));
    let many = shop.answer(path).await.text().await.unwrap();
    assert!(many.lines().count() > 1_000);
    let same: Value = serde_json::from_str(&many).unwrap();
    assert_eq!(same, serde_json::from_slice::<Value>(&whole).unwrap());
    let slow = Effect::SlowBody { piece: whole.len().div_ceil(4), pause: Duration::from_millis(30) };
    shop.emulator.fault(Fault::on("GET", path, slow));
    let started = Instant::now();
    assert_eq!(shop.answer(path).await.bytes().await.unwrap(), whole);
    assert!(started.elapsed() >= Duration::from_millis(120));
    shop.emulator.fault(Fault::on("GET", path, Effect::ContentType("text/html")));
    assert_eq!(shop.answer(path).await.headers()["content-type"], "text/html");
    shop.emulator.fault(Fault::on("GET", path, Effect::RepeatPage).query("page=2"));
    let first = shop.answer(&format!("{path}?limit=5&page=1")).await.text().await.unwrap();
    assert_eq!(shop.answer(&format!("{path}?limit=5&page=2")).await.text().await.unwrap(), first);
    assert_ne!(shop.answer(&format!("{path}?limit=5&page=3")).await.text().await.unwrap(), first);
    shop.emulator.fault(Fault::on("GET", path, Effect::too_many(Duration::from_millis(1_500))));
    let busy = shop.answer(path).await;
    assert_eq!((busy.status().as_u16(), busy.headers()["x-rate-limit-time-reset-ms"].to_str().unwrap()), (429, "1500"));
    shop.emulator.fault(Fault::on("GET", path, Effect::too_many_bare()));
    let bare = shop.answer(path).await;
    assert_eq!((bare.status().as_u16(), bare.headers().contains_key("x-rate-limit-time-reset-ms")), (429, false));
    assert_eq!(shop.emulator.pending_faults(), 0);
}

#[tokio::test]
async fn sockets_are_counted_and_idle_ones_closed() {
    let config = Config { idle_timeout: Some(Duration::from_secs(1)), ..medium() };
    let shop = Shop::with(config).await;
    for _ in 0..3 {
        shop.answer("/v2/time").await.bytes().await.unwrap();
    }
    assert_eq!((shop.emulator.connections_accepted(), shop.emulator.connections_open()), (1, 1));
    assert!(shop.emulator.journal().entries().iter().all(|e| e.connection == 1));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(shop.emulator.connections_open(), 0);
    shop.emulator.reset_connections(1);
    assert!(shop.request(Method::GET, "/v2/time").send().await.is_err());
    assert_eq!(shop.emulator.connections_accepted(), 2);
}

#[tokio::test]
async fn the_quota_is_told_and_kept() {
    let quota = Quota { requests: 5, window: Duration::from_millis(1_000), ..Quota::default() };
    let shop = Shop::with(Config { quota, ..medium() }).await;
    for left in (0..5).rev() {
        let answer = shop.answer("/v2/time").await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["x-rate-limit-requests-left"], left.to_string().as_str());
    }
    let refused = shop.answer("/v2/time").await;
    assert_eq!(refused.status(), 429);
    let wait: u64 = refused.headers()["x-rate-limit-time-reset-ms"].to_str().unwrap().parse().unwrap();
    assert!(wait <= 1_000);
    tokio::time::sleep(Duration::from_millis(wait + 20)).await;
    assert_eq!(shop.answer("/v2/time").await.status(), 200);
    let uses = shop.emulator.quota_use();
    assert_eq!(uses.iter().map(|u| u.refused).sum::<u32>(), 1);
}
