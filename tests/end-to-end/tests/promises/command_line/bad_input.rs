//! Bad input and bad connections: refused with their place and reason, and nothing is sent or saved.

use bigcommerce_emulator::Config;

use super::project::{Project, code, csv_of_products, text};

#[test]
fn bad_input_is_refused_with_its_place_and_nothing_is_sent() {
    let project = Project::new(Config::default());
    project.store.journal().clear();
    let mut malformed = csv_of_products(30);
    let at = malformed.lines().take(17).map(|line| line.len() + 1).sum::<usize>();
    malformed.insert_str(at, "only,two\n");
    let mut invalid = csv_of_products(5).into_bytes();
    invalid.extend_from_slice(b"\xff\xfe,b,physical,1,1,[]\n");
    let cases: [(&[&str], &[&str]); 12] = [
        (&["query", "store", "prodcuts"], &["did you mean `products`"]),
        (&["query", "store", "products", "--fields", "id,pricee"], &["pricee", "price"]),
        (&["query", "store", "products", "--where", "custom_url < 3"], &["custom_url"]),
        (&["query", "store", "products", "--where", "price >"], &["price"]),
        (&["query", "store", "products", "--order", "description"], &["description"]),
        (
            &["create", "store", "products", "--input", &project.write("malformed.csv", &malformed)],
            &["malformed.csv", "18"],
        ),
        (
            &["create", "store", "products", "--input", &project.write("invalid.csv", &invalid)],
            &["UTF-8", "invalid.csv"],
        ),
        (&["create", "store", "products", "--input", &project.write("empty.csv", "")], &["empty"]),
        (
            &["create", "store", "products", "--input", &project.write("column.csv", "name,colour\na,red\n")],
            &["colour"],
        ),
        (
            &[
                "create",
                "store",
                "products",
                "--input",
                &project.write("line.ndjson", "{\"name\":\"a\"}\n{\"name\":\n"),
            ],
            &["2"],
        ),
        (&["delete", "store", "products", "--input", &project.write("none.ndjson", "")], &["no records"]),
        (&["query", "nowhere", "products"], &["nowhere"]),
    ];
    for (arguments, words) in cases {
        let output = project.run(arguments);
        let stderr = text(&output.stderr);
        assert_eq!(code(&output), 1, "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?}: {}", text(&output.stdout));
        for word in words {
            assert!(stderr.contains(word), "{arguments:?} does not say `{word}`: {stderr}");
        }
    }
    assert!(project.store.journal().is_empty(), "{:?}", project.store.journal().entries());
}

#[test]
fn bad_connections_are_refused_with_their_reason_and_not_saved() {
    let project = Project::new(Config::default());
    project.store.journal().clear();
    let saved = || project.run(&["connection", "export"]).stdout;
    let before = saved();
    let good = [
        format!("store_hash={}", project.store.store_hash()),
        format!("base_url={}", project.store.base_url()),
        "access_token=t0ken-value".to_owned(),
    ];
    let grant = project.store.base_url();
    let cases: [(&str, &[&str], &str); 8] = [
        ("a/b", &[], "cannot be named"),
        ("a:b", &[], "cannot be named"),
        ("other", &["keep_alive=true", "keep_alive_seconds=12x"], "digits"),
        ("other", &["access_token="], "access_token"),
        ("other", &["access_token=[undefined_variable]"], "undefined_variable"),
        ("other", &["base_url=https://evil.example"], "grant"),
        ("other", &["store_hash=NOT/A/HASH"], "store_hash"),
        ("other", &["colour=red"], "colour"),
    ];
    for (name, changes, word) in cases {
        let mut arguments = vec!["connection", "add", name, "--grant", &grant];
        let changed =
            |setting: &str| changes.iter().any(|change| change.split('=').next() == setting.split('=').next());
        let kept: Vec<&str> = good
            .iter()
            .map(String::as_str)
            .filter(|setting| !changed(setting))
            .chain(changes.iter().copied())
            .collect();
        for setting in &kept {
            arguments.extend(["--set", setting]);
        }
        let output = project.run(&arguments);
        let stderr = text(&output.stderr);
        assert_eq!(code(&output), 1, "{arguments:?}: {stderr}");
        assert!(stderr.contains(word), "{arguments:?} does not say `{word}`: {stderr}");
        assert!(!stderr.contains("t0ken-value"), "{stderr}");
    }
    assert_eq!(text(&saved()), text(&before));
    assert!(project.store.journal().is_empty());
}
