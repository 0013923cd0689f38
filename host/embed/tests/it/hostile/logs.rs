//! What a connector writes into the log.

use connector_host::Limits;

use super::Attack;
use crate::limits::Lines;

/// The log of an attack that comes back. On one thread, so that the activity's task logs here too.
async fn log_of(how: &str, limits: Limits) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    Attack { limits, ..Attack::new(how) }.make().await.unwrap();
    lines.text()
}

#[tokio::test]
async fn a_million_log_lines_are_a_thousand_and_the_number_of_the_others() {
    let text = log_of("log", Limits::default()).await;
    assert_eq!(text.lines().filter(|line| line.contains("line ")).count(), 1000);
    let told = text.lines().find(|line| line.contains("dropped=999000")).expect("the number of dropped lines");
    for part in ["under attack", "hostile", "0.1.0", "`log_lines`"] {
        assert!(told.contains(part), "{told}");
    }
}

#[tokio::test]
async fn long_log_lines_are_cut_and_their_bytes_counted() {
    let text = log_of("log-long", Limits { log_line_bytes: 1000, log_bytes: 10_000, ..Limits::default() }).await;
    let own: Vec<&str> = text.lines().filter(|line| line.contains("xxx")).collect();
    assert!(own.len() == 4 && own.iter().all(|line| line.len() < 2300), "{} lines", own.len());
    assert!(text.contains("dropped=96"), "{}", text.lines().last().unwrap_or_default());
}

#[tokio::test]
async fn a_log_line_is_one_line_and_holds_no_secret() {
    let text = log_of("log-control", Limits::default()).await;
    assert!(text.contains(" [2Jgone next line") && text.lines().count() == 1, "{text}");
    let text = log_of("log-secret", Limits::default()).await;
    assert!(text.contains("****") && !text.contains("s3cret"), "{text}");
}
