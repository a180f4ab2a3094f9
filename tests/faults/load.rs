//! Campaigns that are ordered and trained for as long as something does harm.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;

use crate::Ran;
use crate::audit::audit;
use crate::crew::Crew;
use crate::field::Field;

/// Two trainers and two who order, until `harm` is over and everything has come to rest; then the audit.
///
/// `harm` says how many processes it killed.
pub(crate) async fn under_load<H, F>(field: Field, harm: H) -> Result<Ran>
where
    H: FnOnce(Arc<Field>) -> F,
    F: Future<Output = Result<usize>>,
{
    let field = Arc::new(field);
    let mut crew = Crew::new(&field);
    (0..2).for_each(|_| crew.add(Box::new(|_| vec![("FAULT_SLOW_MS", "1".into())])));
    field.declared().await;
    // Every delivery that meets a dead server is one of them.
    field.add_model("[limits]\nattempts = 49", "").await;
    let over = AtomicBool::new(false);
    let harming = async {
        let kills = harm(field.clone()).await;
        over.store(true, Ordering::Relaxed);
        kills
    };
    let ordering = || async {
        while !over.load(Ordering::Relaxed) {
            let more: &[&str] = if field.chance.below(2) == 0 { &["--force"] } else { &[] };
            field.order_some(1 + field.chance.below(8), more).await;
            field.chance.wait(200, 1_200).await;
        }
    };
    let (kills, (), ()) = tokio::join!(harming, ordering(), ordering());
    let audit = audit(&field).await?;
    crew.stop().await;
    Ok(Ran { field, kills: kills?, audit })
}
