//! One way over the broker: a request, its answer.

use anyhow::Context;
use async_nats::Client;
use bytes::Bytes;
use futures::StreamExt;

use crate::answers::Answers;

/// Before the name of an answer.
const SUBJECT: &str = "bare.";

/// Connects as one would without thinking about it.
pub(crate) async fn connect(url: &str) -> anyhow::Result<Client> {
    async_nats::connect(url).await.with_context(|| format!("connecting to {url}"))
}

/// Asks the responder.
pub(crate) async fn ask(client: &Client, name: &str, body: Bytes) -> Result<Bytes, async_nats::RequestError> {
    Ok(client.request(format!("{SUBJECT}{name}"), body).await?.payload)
}

/// Answers requests for as long as the broker is there.
pub(crate) async fn respond(url: &str, answers: &Answers) -> anyhow::Result<()> {
    let client = connect(url).await?;
    let mut requests = client.subscribe(format!("{SUBJECT}*")).await?;
    while let Some(request) = requests.next().await {
        let answer = request.subject.strip_prefix(SUBJECT).and_then(|name| answers.get(name));
        if let (Some(reply), Some(answer)) = (request.reply, answer) {
            client.publish(reply, answer).await?;
        }
    }
    anyhow::bail!("the broker is gone")
}
