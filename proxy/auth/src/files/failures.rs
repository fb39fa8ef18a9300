//! Failed logins, in `mesegate/failures`.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Files, lines};
use crate::AccountError;
use crate::failures::{FailedLogins, FailureChange};

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Line {
    name: String,
    prefix: String,
    count: u32,
    last: i64,
}

impl Files {
    pub(crate) async fn write_failures(
        &self,
        changes: &[FailureChange],
        stale: i64,
        most: u32,
    ) -> Result<(), AccountError> {
        let changes = changes.to_vec();
        self.run(move |inner| {
            let path = inner.folder.own().join("failures");
            let _lock = inner.folder.lock()?;
            let before: Vec<Line> = lines::read(&path)?;
            if changes.is_empty() && before.iter().all(|it| it.last >= stale) {
                return Ok(());
            }
            let mut all: HashMap<(String, String), Line> = before
                .into_iter()
                .filter(|it| it.last >= stale)
                .map(|it| ((it.name.clone(), it.prefix.clone()), it))
                .collect();
            for FailureChange { added, afresh } in changes {
                let prefix = added.prefix.to_string();
                let new = Line { name: added.name.clone(), prefix, count: 0, last: added.last };
                let line = all.entry((added.name, new.prefix.clone())).or_insert(new);
                let counted = if afresh { 0 } else { line.count };
                line.count = counted.saturating_add(added.count);
                line.last = line.last.max(added.last);
            }
            let mut all: Vec<Line> = all.into_values().collect();
            all.sort_unstable_by_key(|it| std::cmp::Reverse(it.last));
            all.truncate(most as usize);
            inner.folder.replace(&path, lines::write(&path, &all)?.as_bytes())
        })
        .await
    }

    pub(crate) async fn failures_since(
        &self,
        after: i64,
        most: u32,
    ) -> Result<Vec<FailedLogins>, AccountError> {
        self.run(move |inner| {
            let all: Vec<Line> = lines::read(&inner.folder.own().join("failures"))?;
            let wanted = all.into_iter().filter(|it| it.last >= after).take(most as usize);
            // Nobody waits for what cannot be read.
            let read = wanted.filter_map(|it| {
                let prefix = it.prefix.parse().ok()?;
                Some(FailedLogins { name: it.name, prefix, count: it.count, last: it.last })
            });
            Ok(read.collect())
        })
        .await
    }
}
