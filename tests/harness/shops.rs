//! A small model: what shops sell rises with a number, in each shop its own way.

use serde_json::{Value, json};

use crate::{Stack, until};

/// What shop `number` sells at `x`, exactly.
pub fn sold(number: usize, x: f64) -> f64 {
    (number + 1) as f64 * x + 10.0 * number as f64
}

/// The name of a shop.
pub fn name(number: usize) -> String {
    format!("shop{number}")
}

/// Forty rows for each of so many shops.
pub fn csv(shops: usize) -> String {
    let row = |shop: usize, x: usize| format!("{},{x},{}\n", name(shop), sold(shop, x as f64));
    let rows = (0..40).flat_map(|x| (0..shops).map(move |shop| row(shop, x)));
    format!("shop,x,sold\n{}", rows.collect::<String>())
}

/// The row of a shop.
pub fn row(shop: &str, x: f64) -> Value {
    json!({"shop": shop, "x": x})
}

impl Stack {
    /// Adds the model `shops` of so many of them; `more` stands behind its spec. The gateway knows it then.
    pub async fn add_shops(&self, shops: usize, more: &str) {
        let source = self.write("shops.csv", csv(shops)).display().to_string();
        let learn = "target = \"sold\"\nfeatures = [\"x\"]\nalgorithm = \"linear\"\nmin_rows = 20";
        let scope = "[scope]\ndimensions = [\"shop\"]";
        self.add_model(&format!(
            "name = \"shops\"\n[data]\nsource = \"{source}\"\n{scope}\n[learn]\n{learn}\n{more}"
        ))
        .await;
        until("the gateway knowing the model", || async {
            (self.get("/v1/models/shops").await.0 == 200).then_some(())
        })
        .await;
    }

    /// Trains these scopes of the model `shops` into `live`; gives the campaign when it answers for all of so many shops.
    pub async fn train_shops(&self, scopes: &str, shops: usize) -> Value {
        let closed = self.ask(&["train", "shops", "--scope", scopes, "--wait"]).await;
        self.shops_answer(&closed, "live", shops).await;
        closed
    }

    /// Waits until a campaign in a channel answers for all of so many shops.
    pub async fn shops_answer(&self, campaign: &Value, channel: &str, shops: usize) {
        let rows: Vec<Value> = (0..shops).map(|shop| row(&name(shop), 1.0)).collect();
        let body = json!({"rows": rows, "channel": channel}).to_string();
        until("the shops being answered", || async {
            let (status, answer) = self.predict("shops", body.clone()).await;
            let by_it = |fits: &Vec<Value>| fits.iter().all(|fit| fit["campaign"] == campaign["id"]);
            let whole = answer["errors"].is_null() && answer["fits"].as_array().is_some_and(by_it);
            (status == 200 && whole).then_some(())
        })
        .await;
    }
}
