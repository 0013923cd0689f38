//! Which files an operation may name, and who changes the operations' own: nothing that the project lives on is replaced.

use serde_json::{Value, json};

use crate::operations::PEOPLE;
use crate::serving::Serving;
use crate::support::Project;

#[cfg(unix)]
#[test]
fn no_target_replaces_what_the_project_lives_on_or_what_its_run_reads() {
    let project = Project::with_people();
    project.write("prices.csv", "id\n1\n");
    project.write("map.jq", ".");
    project.run_with(&["variables", "set", "who", "--hidden"], "value").good();
    std::fs::create_dir(project.path("operations")).unwrap();
    std::os::unix::fs::symlink("prices.csv", project.path("link.csv")).unwrap();
    std::os::unix::fs::symlink("connector.db", project.path("db.ndjson")).unwrap();
    std::os::unix::fs::symlink("..", project.path("operations/up")).unwrap();
    let key = project.key_file().display().to_string();
    let own = "one of the project's own files";
    for (target, words) in [
        ("connector.db", own),
        ("./connector.db-wal", own),
        ("versions.db", own),
        ("variables.toml", own),
        ("agents.toml", own),
        ("connectors/x.ndjson", own),
        ("operations/bad.toml", own),
        ("operations/up/versions.db", own),
        ("runs/x/rejected.ndjson", own),
        ("db.ndjson", own),
        (key.as_str(), own),
        ("prices.csv", "is the source as well"),
        ("./link.csv", "is the source as well"),
        ("map.jq", "is the mapping as well"),
        ("nodir/b.csv", "there is no folder"),
        ("operations", own),
        ("/proc/b.csv", "cannot write into the folder `/proc`"),
    ] {
        let text = format!(
            "[source]\nfile = \"prices.csv\"\n[mapping]\nfile = \"map.jq\"\n[target]\nfile = \"{target}\"\nformat = \"ndjson\"\n"
        );
        project.operation("bad", &text);
        for command in [&["operation", "check", "bad"][..], &["run", "bad"], &["run", "bad", "--dry-run"]] {
            project.run(command).bad(1, &["bad.toml:6", words, "target.file"]);
        }
    }
    let listed = project.run(&["runs", "list", "--json"]).good().json();
    for run in listed["items"].as_array().unwrap() {
        assert_eq!((&run["state"], &run["can_resume"]), (&json!("failed"), &json!(false)), "nothing was begun: {run}");
    }
    project.run(&["query", "people", "people", "--output", "connector.db"]).bad(1, &[own, "--output"]);
    project.run(&["query", "people", "people", "--limit", "1"]).good();
    assert_eq!(project.read("prices.csv"), "id\n1\n");
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_to_the_projects_own_files_only_when_the_run_ends_is_refused_then() {
    use std::os::unix::fs::symlink;
    let project = Project::with_people();
    let before = std::fs::metadata(project.path("connector.db")).unwrap().len();
    project.operation("late", &format!("{PEOPLE}[mapping]\nfile = \"map.jq\"\n[target]\nfile = \"out.ndjson\"\n"));
    // While the first rows are mapped, the link is changed: the program takes a while for each of them.
    project.write("map.jq", "if (.id % 10) == 0 then (reduce range(20000) as $i (0; . + $i)) as $n | . else . end");
    symlink("first.ndjson", project.path("out.ndjson")).unwrap();
    let started = project.start(&["run", "late"]);
    let waited = std::time::Instant::now();
    while !project.path("runs").exists() {
        assert!(waited.elapsed() < std::time::Duration::from_secs(60));
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    symlink("connector.db", project.path("second")).unwrap();
    std::fs::rename(project.path("second"), project.path("out.ndjson")).unwrap();
    let ended = crate::support::finish(started).says(&["one of the project's own files"]);
    assert_eq!(ended.code, 1, "{ended:#?}");
    // Going on would lead to the same file.
    assert!(!ended.stderr.contains("--resume"), "{ended:#?}");
    ended.says(&["`connector run late` starts another run"]);
    assert_eq!(std::fs::metadata(project.path("connector.db")).unwrap().len(), before);
    project.run(&["connection", "list"]).good();
}

#[cfg(unix)]
#[test]
fn over_http_an_operation_names_files_of_the_project_and_of_folders_that_the_operator_adds() {
    let (project, outside, added) = (Project::empty(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [project.path(""), outside.path().to_owned(), added.path().to_owned()] {
        std::fs::write(folder.join("in.csv"), "secret\nhidden-row\n").unwrap();
        std::fs::write(folder.join("map.jq"), ".").unwrap();
    }
    project.write("variables.toml", "");
    let outside = outside.path().to_str().unwrap();
    std::os::unix::fs::symlink(outside, project.path("link")).unwrap();
    std::os::unix::fs::symlink(format!("{outside}/new.csv"), project.path("new.csv")).unwrap();
    let up = format!("..{outside}/in.csv").replacen("..", "../../../../../../../..", 1);
    let serving = Serving::start(&project, &["--files", added.path().to_str().unwrap()]);
    let operation = |source: &str, map: &str, target: &str| {
        json!({
            "source": { "file": source, "format": "csv" },
            "mapping": { "file": map },
            "target": { "file": target, "format": "csv" },
        })
    };
    let file = |name: &str| format!("{outside}/{name}");
    project.operation("operators", "");
    for (operation, pointer) in [
        (operation(&file("in.csv"), "map.jq", "out.csv"), "/source/file"),
        (operation(&file("none.csv"), "map.jq", "out.csv"), "/source/file"),
        (operation(&up, "map.jq", "out.csv"), "/source/file"),
        (operation("link/in.csv", "map.jq", "out.csv"), "/source/file"),
        (operation("variables.toml", "map.jq", "out.csv"), "/source/file"),
        (operation("in.csv", &file("map.jq"), "out.csv"), "/mapping/file"),
        (operation("in.csv", "link/map.jq", "out.csv"), "/mapping/file"),
        (operation("in.csv", "map.jq", &file("out.csv")), "/target/file"),
        (operation("in.csv", "map.jq", "link/none/out.csv"), "/target/file"),
        (operation("in.csv", "map.jq", "new.csv"), "/target/file"),
    ] {
        let (_, checked) = serving.json("POST", "/v1/operations/check", &operation);
        let pointers: Vec<&Value> =
            checked["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
        assert_eq!(pointers, [pointer], "{checked}");
        assert!(!checked.to_string().contains("hidden-row"), "{checked}");
        let preview = json!({ "operation": operation });
        for (method, path, body) in
            [("PUT", "/v1/operations/x", &operation), ("POST", "/v1/operations/preview", &preview)]
        {
            let (status, refused) = serving.json(method, path, body);
            assert!(matches!(status, 400 | 403), "{status}: {refused}");
            assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
        }
        // As if somebody had put it there, who may run it by hand.
        let end = |end: &str| format!("[{end}]\nfile = {}\nformat = \"csv\"\n", operation[end]["file"]);
        let mapping = format!("[mapping]\nfile = {}\n", operation["mapping"]["file"]);
        project.operation("operators", &format!("{}{}{}", end("source"), end("target"), mapping));
        let (status, refused) = serving.json("POST", "/v1/operations/operators/runs", &json!({}));
        assert!(matches!(status, 400 | 403), "{status}: {refused}");
        let (status, refused) = serving.json("POST", "/v1/operations/operators/duplicate", &json!({ "name": "y" }));
        assert!(matches!(status, 400 | 403), "{status}: {refused}");
    }
    assert!(!project.path("operations/x.toml").exists() && !std::path::Path::new(&file("new.csv")).exists());
    project.run(&["run", "operators"]).good();
    let added = added.path().to_str().unwrap();
    for (name, folder) in [("inside", String::new()), ("added", format!("{added}/"))] {
        let file = |name: &str| format!("{folder}{name}");
        let operation = operation(&file("in.csv"), &file("map.jq"), &file("out.csv"));
        let (status, put) = serving.json("PUT", &format!("/v1/operations/{name}"), &operation);
        assert_eq!(status, 200, "{put}");
        let (status, begun) = serving.json("POST", &format!("/v1/operations/{name}/runs"), &json!({}));
        assert_eq!(status, 202, "{begun}");
    }
    serving.stop();
    project.run(&["serve", "--files", "nowhere"]).bad(1, &["--files nowhere", "no such folder"]);
}

#[test]
fn of_two_who_change_an_operation_at_once_one_is_told() {
    let project = Project::empty();
    let processes = [Serving::start(&project, &[]), Serving::start(&project, &[])];
    let operation = json!({ "source": { "file": "in.csv" }, "target": { "file": "out.csv" } });
    let ten = |change: &(dyn Fn(usize) -> (String, &'static str, Value) + Sync)| -> Vec<u16> {
        std::thread::scope(|scope| {
            let ask = |n: usize| {
                let (path, method, body) = change(n);
                processes[n % 2].json(method, &path, &body).0
            };
            let all: Vec<_> = (0..10).map(|n| scope.spawn(move || ask(n))).collect();
            let mut all: Vec<u16> = all.into_iter().map(|one| one.join().unwrap()).collect();
            all.sort_unstable();
            all
        })
    };
    let one_of = |good: u16| [vec![good], vec![409; 9]].concat();
    for round in 0..5 {
        let name = format!("/v1/operations/o{round}");
        let made = ten(&|_| (name.clone(), "PUT", operation.clone()));
        assert_eq!(made, one_of(200));
        let seen = processes[0].read(&name);
        let changed = ten(&|n| {
            let mut changed = seen.clone();
            changed["description"] = json!(format!("by {n}"));
            (name.clone(), "PUT", changed)
        });
        assert_eq!(changed, one_of(200));
        let copied = ten(&|_| (format!("{name}/duplicate"), "POST", json!({ "name": format!("copy{round}") })));
        assert_eq!(copied, one_of(201));
        let seen = processes[0].read(&name);
        let renamed = ten(&|n| {
            let mut renamed = seen.clone();
            renamed["name"] = json!(format!("r{round}-{n}"));
            (name.clone(), "PUT", renamed)
        });
        // Those who come later find none of that name.
        assert_eq!(renamed, [vec![200], vec![404; 9]].concat());
    }
    let listed = processes[1].read("/v1/operations");
    assert_eq!(listed["items"].as_array().unwrap().len(), 10, "{listed}");
    for (member, value) in [("revision", json!(7)), ("name", json!(5))] {
        let mut wrong = operation.clone();
        wrong[member] = value;
        let (status, told) = processes[0].json("PUT", "/v1/operations/new", &wrong);
        assert_eq!((status, &told["errors"][0]["pointer"]), (400, &json!(format!("/{member}"))), "{told}");
    }
    let mut gone = operation.clone();
    gone["revision"] = json!("0011223344556677");
    assert_eq!(processes[0].json("PUT", "/v1/operations/new", &gone).0, 404);
    for process in processes {
        process.stop();
    }
}

#[test]
fn an_operation_that_is_changed_over_http_keeps_the_comments_of_its_file() {
    let project = Project::empty();
    project.operation(
        "copy",
        "# For sales.\ndescription = \"Copy\"\n[source]\nfile = \"in.csv\" # of the week\n[target]\nfile = \"out.csv\"\n",
    );
    let serving = Serving::start(&project, &[]);
    let mut changed = serving.read("/v1/operations/copy");
    changed["target"]["file"] = json!("other.csv");
    assert_eq!(serving.json("PUT", "/v1/operations/copy", &changed).0, 200);
    let expected = "# For sales.\ndescription = \"Copy\"\n[source]\nfile = \"in.csv\" # of the week\n[target]\nfile = \"other.csv\"\n";
    assert_eq!(project.read("operations/copy.toml"), expected);
    serving.json("POST", "/v1/operations/copy/duplicate", &json!({ "name": "second" }));
    assert_eq!(project.read("operations/second.toml"), expected);
    serving.stop();
}

#[test]
fn an_operation_that_others_run_after_them_is_neither_deleted_nor_renamed() {
    let project = Project::empty();
    let text = "[source]\nfile = \"in.csv\"\n[target]\nfile = \"out.csv\"\n";
    project.operation("last", text);
    project.operation("first", &format!("{text}[after]\nfailure = \"last\"\n"));
    project.run(&["operation", "delete", "last"]).bad(1, &["other operations run `last` after them: first", "`after`"]);
    let serving = Serving::start(&project, &[]);
    let (status, told) = serving.json("DELETE", "/v1/operations/last", &json!({}));
    assert_eq!((status, &told["errors"][0]["dependents"]), (409, &json!([{ "kind": "operation", "name": "first" }])));
    let mut renamed = serving.read("/v1/operations/last");
    renamed["name"] = json!("other");
    assert_eq!(serving.json("PUT", "/v1/operations/last", &renamed).0, 409);
    assert!(project.path("operations/last.toml").exists() && !project.path("operations/other.toml").exists());
    assert_eq!(serving.json("DELETE", "/v1/operations/first", &json!({})).0, 204);
    assert_eq!(serving.json("DELETE", "/v1/operations/last", &json!({})).0, 204);
    serving.stop();
}

#[test]
fn the_first_example_of_the_book_keeps_an_empty_cell_absent() {
    let book = include_str!("../../../../docs/operations.md");
    let program = book.lines().find_map(|line| line.strip_prefix("jq = '")?.strip_suffix('\'')).unwrap();
    let project = Project::empty();
    project.write("prices.csv", "id,price,name\n78,25.00,a\n79,,b\n");
    project.operation(
        "prices",
        &format!("[source]\nfile = \"prices.csv\"\n[mapping]\njq = '{program}'\n[target]\nfile = \"out.ndjson\"\n"),
    );
    project.run(&["run", "prices"]).good();
    assert_eq!(project.read("out.ndjson"), "{\"id\":78,\"price\":25.00}\n{\"id\":79}\n");
}
