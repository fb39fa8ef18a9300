//! Reviews against an API server that answers as it is told to and counts the questions.

use std::time::Duration;

use crate::api::Api;
use mesegate_controller::trust::{ReviewError, Reviews};
use serde_json::{Value, json};

struct Bed {
    reviews: Reviews,
    api: Api,
}

impl Bed {
    async fn new(answer: fn(&Value) -> Option<Value>) -> Self {
        let api = Api::new(answer).await;
        Self { reviews: Reviews::new(&api.client), api }
    }

    fn asked(&self) -> usize {
        self.api.asked()
    }
}

fn known(spec: &Value) -> Option<Value> {
    let user = json!({ "username": "system:serviceaccount:games:proxy", "uid": "7",
                       "groups": ["g"], "extra": { "k": ["v"] } });
    Some(match spec["token"].as_str().unwrap() {
        "good" => {
            json!({ "authenticated": true, "user": user, "audiences": spec["audiences"] })
        }
        "everywhere" => json!({ "authenticated": true, "user": user }),
        "broken" => return None,
        _ => json!({ "authenticated": false, "error": "it is over" }),
    })
}

#[tokio::test]
async fn tokens_are_asked_about_once_in_a_while() {
    let bed = Bed::new(known).await;
    let user = bed.reviews.authenticate("good", "a").await.unwrap();
    assert_eq!((&*user.name, &*user.uid), ("system:serviceaccount:games:proxy", "7"));
    assert_eq!((&user.groups[..], &user.extra["k"][..]), (&["g".into()][..], &["v".into()][..]));
    assert_eq!(bed.reviews.authenticate("good", "a").await, Ok(user));
    assert_eq!(bed.asked(), 1);
    bed.reviews.authenticate("good", "b").await.unwrap();
    assert_eq!(bed.asked(), 2);
    let over = Err(ReviewError::Refused("it is over".into()));
    assert_eq!(bed.reviews.authenticate("bad", "a").await, over);
    assert_eq!(bed.reviews.authenticate("bad", "a").await, over);
    assert_eq!(bed.asked(), 3);
    tokio::time::sleep(Duration::from_millis(5200)).await;
    bed.reviews.authenticate("good", "a").await.unwrap();
    assert_eq!(bed.asked(), 3);
    assert_eq!(bed.reviews.authenticate("bad", "a").await, over);
    assert_eq!(bed.asked(), 4);
}

#[tokio::test]
async fn tokens_for_others_and_of_no_size_are_refused_and_failures_are_asked_again() {
    let bed = Bed::new(known).await;
    let refused = |it| matches!(it, Err(ReviewError::Refused(_)));
    assert!(refused(bed.reviews.authenticate("everywhere", "a").await));
    assert_eq!(bed.asked(), 1);
    assert!(refused(bed.reviews.authenticate("", "a").await));
    assert!(refused(bed.reviews.authenticate(&"x".repeat(20_000), "a").await));
    assert_eq!(bed.asked(), 1);
    for _ in 0..2 {
        let failed = bed.reviews.authenticate("broken", "a").await;
        assert!(matches!(failed, Err(ReviewError::Unavailable(_))), "{failed:?}");
    }
    assert_eq!(bed.asked(), 3);
}

#[tokio::test]
async fn rights_are_asked_for_with_all_that_is_known() {
    let bed = Bed::new(|spec| match spec.get("token") {
        Some(_) => known(spec),
        None => {
            let wanted = json!({
                "user": "system:serviceaccount:games:proxy", "uid": "7", "groups": ["g"],
                "extra": { "k": ["v"] },
                "resourceAttributes": { "group": "mesegate.dev", "verb": "create",
                    "resource": "players", "subresource": "kick", "namespace": "games" },
            });
            Some(json!({ "allowed": *spec == wanted }))
        }
    })
    .await;
    let user = bed.reviews.authenticate("good", "a").await.unwrap();
    for _ in 0..2 {
        let kick = bed.reviews.allowed(&user, "create", "players", "kick", "games").await;
        assert_eq!(kick, Ok(true));
        let elsewhere = bed.reviews.allowed(&user, "create", "players", "kick", "other").await;
        assert_eq!(elsewhere, Ok(false));
        let all = bed.reviews.allowed(&user, "create", "players", "", "games").await;
        assert_eq!(all, Ok(false));
    }
    assert_eq!(bed.asked(), 4);
}
