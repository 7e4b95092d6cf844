//! The description of the API beside what the running server answers.

use serde_json::Value;

use crate::baseline::{Baseline, BaselineWords};
use crate::site::fixture;
use crate::site::tests::{Answer, Served};

fn baseline() -> Baseline {
    let programme = msht_core::programme::shipped("pan-london").unwrap();
    let programme = msht_core::programme::Programme::parse(programme).unwrap();
    let words = BaselineWords {
        title: "Published".to_owned(),
        source: "Somebody".to_owned(),
        licence: "Open".to_owned(),
    };
    let file =
        b"period,dimension,category,count\n2026-Q3,,,900\n2026-Q3,main-exploitation,labour,300\n";
    Baseline::parse(file, words, &programme).unwrap()
}

fn site() -> Served {
    Served::new(fixture::catalogue().with_baselines(vec![baseline()]))
}

fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

/// The path of the description with everything filled in that the fixture has.
fn filled(path: &str, file: &str) -> String {
    path.replace("{programme}", "example")
        .replace("{table}", "by-kind")
        .replace("{round}", &fixture::release().release().round.to_string())
        .replace("{file}", file)
}

/// Checks that `value` is what `schema` allows: types, required keys, and no others than those described.
fn check(value: &Value, schema: &Value, whole: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = whole.pointer(reference.strip_prefix('#').unwrap());
        return check(value, target.unwrap(), whole, at);
    }
    if let Some(options) = schema["oneOf"].as_array() {
        let fits = |option: &&Value| is_of(value, &option["type"]);
        assert_eq!(options.iter().filter(fits).count(), 1, "{at}: {value}");
        return;
    }
    assert!(
        is_of(value, &schema["type"]),
        "{at}: {value} is not {schema}"
    );
    match value {
        Value::Array(items) => {
            for item in items {
                check(item, &schema["items"], whole, &format!("{at}[]"));
            }
        }
        Value::Object(fields) => {
            for name in schema["required"].as_array().into_iter().flatten() {
                assert!(fields.contains_key(name.as_str().unwrap()), "{at}.{name}");
            }
            for (name, field) in fields {
                let known = &schema["properties"][name];
                let known = if known.is_null() {
                    &schema["additionalProperties"]
                } else {
                    known
                };
                assert!(known.is_object(), "{at}.{name} is not described");
                check(field, known, whole, &format!("{at}.{name}"));
            }
        }
        _ => {}
    }
}

fn is_of(value: &Value, kind: &Value) -> bool {
    let is = |kind: &Value| match kind.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => false,
    };
    match kind {
        Value::Array(kinds) => kinds.iter().any(is),
        kind => is(kind),
    }
}

#[test]
fn every_address_of_the_description_answers_as_described() {
    let site = site();
    let description = json(&site.get("/api/v1/openapi.json"));
    let paths = description["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 10);
    for (path, item) in paths {
        let operations: Vec<&String> = item.as_object().unwrap().keys().collect();
        assert_eq!(operations, ["get"], "{path} is read-only");
        let content = &item["get"]["responses"]["200"]["content"];
        for (media_type, described) in content.as_object().unwrap() {
            let file = match media_type.as_str() {
                "text/csv" => "tables.csv",
                "application/json" => "dictionary.json",
                _ => "by-kind.parquet",
            };
            let address = filled(path, file);
            let answer = site.get(&address);
            assert_eq!(answer.status, 200, "{address}");
            let served = format!("content-type: {media_type}");
            assert!(answer.head.contains(&served), "{address}: {media_type}");
            assert!(
                answer.head.contains("access-control-allow-origin: *"),
                "{address}"
            );
            if described["schema"]["$ref"].is_string() {
                check(&json(&answer), &described["schema"], &description, path);
            }
            let tag = answer.head.split("etag: ").nth(1).unwrap();
            let tag = tag.lines().next().unwrap();
            let again = site.ask(&address, &format!("If-None-Match: {tag}\r\n"));
            assert_eq!((again.status, again.body.len()), (304, 0), "{address}");
            assert!(item["get"]["responses"]["304"].is_object(), "{path}");
        }
    }
}

#[test]
fn what_is_not_there_is_refused_as_described() {
    let site = site();
    let description = json(&site.get("/api/v1/openapi.json"));
    let round = fixture::release().release().round.to_string();
    let cases = [
        (
            "/api/v1/programmes/{programme}",
            "/api/v1/programmes/none".to_owned(),
            404,
        ),
        (
            "/api/v1/programmes/{programme}/tables/{table}",
            "/api/v1/programmes/example/tables/none".to_owned(),
            404,
        ),
        (
            "/api/v1/programmes/{programme}/tables/{table}",
            "/api/v1/programmes/example/tables/by-kind?colour=red".to_owned(),
            400,
        ),
        (
            "/api/v1/releases/{round}",
            format!("/api/v1/releases/{}", "0".repeat(64)),
            404,
        ),
        (
            "/api/v1/releases/{round}",
            "/api/v1/releases/../secret".to_owned(),
            404,
        ),
        (
            "/api/v1/releases/{round}/tables/{table}",
            format!("/api/v1/releases/{round}/tables/none"),
            404,
        ),
        (
            "/api/v1/releases/{round}/tables/{table}",
            format!("/api/v1/releases/{round}/tables/by-kind?exploitation=none"),
            400,
        ),
    ];
    for (path, address, status) in cases {
        let answer = site.get(&address);
        assert_eq!(answer.status, status, "{address}");
        let described = &description["paths"][path]["get"]["responses"][status.to_string()];
        let schema = &described["content"]["application/json"]["schema"];
        check(&json(&answer), schema, &description, &address);
        let said = json(&answer)["error"].as_str().unwrap().to_owned();
        assert!(!said.contains("red") && !said.contains("colour"), "{said}");
    }
    assert_eq!(site.get("/api/v2/anything").status, 404);
    assert!(
        site.get("/api/v2/anything")
            .head
            .contains("application/json")
    );
}

#[test]
fn numbers_are_those_of_the_release_and_filters_choose_among_them() {
    let site = site();
    let published = fixture::release();
    let table = &published.release().tables[2];
    let path = format!(
        "/api/v1/releases/{}/tables/sex-by-age",
        published.release().round
    );
    let all = json(&site.get(&path));
    let raw = |answer: &Value| -> Vec<i64> {
        let cells = answer["periods"][0]["cells"].as_array().unwrap();
        cells
            .iter()
            .map(|cell| cell["raw"].as_i64().unwrap())
            .collect()
    };
    assert_eq!(raw(&all), table.raw);
    let of_one = json(&site.get(&format!("{path}?sex=male&age=under-18")));
    assert_eq!(raw(&of_one), [table.raw[4]]);
    let cell = &of_one["periods"][0]["cells"][0];
    assert_eq!(cell["categories"]["sex"], "male");
    let half_width = i64::try_from(table.interval95).unwrap();
    assert_eq!(cell["interval95_low"], table.raw[4] - half_width);
    let series = json(&site.get("/api/v1/programmes/example/tables/total"));
    let periods: Vec<&Value> = series["periods"].as_array().unwrap().iter().collect();
    assert_eq!(periods.len(), 2);
    assert_eq!(periods[1]["partners"], 20);
    assert_eq!(periods[1]["invited"], 22);
}

#[test]
fn writing_is_refused() {
    let site = site();
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let status = site.status_of(method, "/api/v1/programmes");
        assert_eq!(status, 405, "{method}");
    }
    assert_eq!(site.status_of("HEAD", "/api/v1/programmes"), 200);
}
