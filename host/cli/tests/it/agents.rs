//! Agents: all of an environment's group are asked at once, each comes to a verdict of its own, and no token is told.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::serving::Serving;
use crate::support::{Project, Ran};

const TOKEN: &str = "planted-agent-token-7f3a";
const WRONG: &str = "planted-wrong-token-99c1";

/// An agent with a project of its own, which serves an environment and wants the token.
fn agent(environment: &str) -> (Project, Serving) {
    let project = Project::with_people();
    project.write("variables.toml", format!("[environments.{environment}.variables]\nregion = \"x\"\n"));
    let token = project.write("token", TOKEN);
    let arguments = ["--token-file", &token, "--environment", environment];
    let serving = Serving::start(&project, &arguments);
    (project, serving)
}

fn verdict<'a>(verdicts: &'a Value, agent: &str) -> &'a Value {
    verdicts
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["agent"] == agent)
        .unwrap_or_else(|| panic!("{agent}: {verdicts}"))
}

#[track_caller]
fn tells_no_token(text: &str) {
    assert!(!text.contains(TOKEN) && !text.contains(WRONG), "{text}");
}

#[test]
fn every_agent_of_the_group_tests_and_one_that_cannot_fails_alone_with_what_to_do() {
    let (north_project, north) = agent("production");
    let (east_project, east) = agent("staging");
    // Free a moment ago, and nobody listens there.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let project = Project::with_people();
    let agents = |name: &str, address: &dyn std::fmt::Display, token: &str| {
        format!("[groups.all.agents.{name}]\nurl = \"http://{address}\"\ntoken = \"[{token}]\"\n")
    };
    project.write(
        "agents.toml",
        [
            agents("north", &north.address, "agent_token"),
            agents("east", &east.address, "agent_token"),
            agents("south", &nobody, "agent_token"),
            agents("west", &north.address, "wrong_token"),
            agents("lost", &north.address, "no_such_variable"),
        ]
        .concat(),
    );
    project.write("variables.toml", format!("[variables]\nagent_token = {{ value = \"{TOKEN}\", hidden = true }}\nwrong_token = {{ value = \"{WRONG}\", hidden = true }}\n[environments.production]\ngroup = \"all\"\n"));
    let told = |ran: Ran| {
        tells_no_token(&ran.stdout);
        tells_no_token(&ran.stderr);
        ran
    };

    let tested = told(project.run(&["test", "people", "--agents", "--environment", "production", "--json"]));
    assert_eq!(tested.code, 1, "{tested:#?}");
    let all = tested.json();
    assert_eq!((&all["ok"], &all["group"]), (&json!(false), &json!("all")));
    assert_eq!(verdict(&all["agents"], "north")["ok"], true, "{all}");
    for (agent, words) in [
        ("south", "cannot be reached"),
        ("west", "`wrong_token` must hold the token"),
        ("east", "serves the environment `staging`"),
        ("lost", "`no_such_variable`"),
    ] {
        let verdict = verdict(&all["agents"], agent);
        assert_eq!(verdict["ok"], false, "{verdict}");
        assert!(verdict["errors"].to_string().contains(words), "{words}: {verdict}");
        assert!(verdict["errors"][0]["hint"].is_string(), "{verdict}");
    }
    let tested = told(project.run(&["test", "people", "--agents", "--environment", "production"]));
    assert!(tested.stdout.contains("north: works") && tested.stdout.contains("south: does not work"), "{tested:#?}");

    let listed = told(project.run(&["agents", "list", "--environment", "production", "--json"]).good()).json();
    let north_item = listed["items"].as_array().unwrap().iter().find(|one| one["name"] == "north").unwrap();
    assert_eq!((&north_item["reachable"], &north_item["connectors"][0]["name"]), (&json!(true), &json!("fixed")));
    assert!(north_item["connectors"][0]["digest"].as_str().unwrap().starts_with("sha256:"), "{north_item}");
    let listed = told(project.run(&["agents", "list", "--environment", "production"]));
    assert_eq!(listed.code, 0, "{listed:#?}");
    listed.says(&["the agent `south`", "cannot be reached"]);
    let environments = project.run(&["environments", "list", "--json"]).good().json();
    assert_eq!(environments["items"], json!([{ "name": "production", "variables": 0, "group": "all" }]));

    // The same over HTTP, with what is on the screen.
    let serving = Serving::start(&project, &["--agent", "south", "--environment", "production"]);
    let body = json!({ "connector": "fixed", "name": "people", "settings": {}, "environment": "production" });
    let (status, events) = serving.ask("POST", "/v1/tests", &["content-type: application/json"], &body.to_string());
    assert_eq!(status, 200, "{events}");
    tells_no_token(&events);
    assert!(events.contains("\"agent\":\"north\"") && events.matches("event: verdict").count() == 6, "{events}");
    let last = events.rsplit("event: verdict").next().unwrap();
    assert!(last.contains("the connection does not work on 4 of 5 agents"), "{last}");
    let (status, text) = serving.get("/v1/agents");
    assert_eq!(status, 200, "{text}");
    tells_no_token(&text);
    let items: Value = serde_json::from_str::<Value>(&text).unwrap()["items"].take();
    let own: Vec<&Value> = items.as_array().unwrap().iter().filter(|one| one["self"] == true).collect();
    assert_eq!((own.len(), &own[0]["name"]), (1, &json!("south")), "{items}");
    let unknown = serving.json("POST", "/v1/tests", &json!({ "name": "people", "environment": "producton" }));
    assert_eq!(unknown.0, 404, "{unknown:?}");
    assert!(unknown.1.to_string().contains("did you mean `production`?"), "{unknown:?}");
    for left in [serving.stop(), north.stop(), east.stop()] {
        tells_no_token(&left.stderr);
    }
    drop((north_project, east_project));
}

#[test]
fn what_is_wrong_with_agents_is_told_before_anything_serves() {
    let project = Project::empty();
    project.write("agents.toml", "[groups.g.agents.a]\nurl = \"http://a.example.com\"\n");
    project
        .run(&["serve", "--listen", "127.0.0.1:0"])
        .bad(1, &["agents.toml:2", "leads to another machine", "https://"]);
    project.write("agents.toml", "[groups.g.agents.a]\nurl = \"https://a.example.com\"\n");
    let named = ["serve", "--listen", "127.0.0.1:0", "--agent", "b"];
    project.run(&named).bad(1, &["the group `g` has no agent `b`"]);
    project.write("variables.toml", "[environments.e]\ngroup = \"f\"\n");
    project.run(&["agents", "list", "--environment", "e"]).bad(1, &["has no group `f`"]);
}
