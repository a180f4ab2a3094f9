//! The images, really built and run, where a Docker daemon answers.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tests::program::{Finished, finish, root};
use tests::{Setup, Stack, flights, until};
use tokio::process::Command;
use tokio::sync::OnceCell;

async fn run(program: &str, arguments: &[&str]) -> Finished {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    finish(command).await
}

async fn docker(arguments: &[&str]) -> Finished {
    run("docker", arguments).await.ok()
}

/// Containers and a network of this test, removed at its end however it ends.
struct Site {
    name: String,
    data: tempfile::TempDir,
}

impl Drop for Site {
    fn drop(&mut self) {
        let quiet = |arguments: &[&str]| std::process::Command::new("docker").args(arguments).output();
        let filter = format!("label=scopeforge.test={}", self.name);
        if let Ok(found) = quiet(&["ps", "-aq", "--filter", &filter]) {
            for id in String::from_utf8_lossy(&found.stdout).split_whitespace() {
                let _ = quiet(&["rm", "-fv", id]);
            }
        }
        let _ = quiet(&["network", "rm", &self.name]);
    }
}

impl Site {
    async fn new() -> Site {
        static SITES: AtomicUsize = AtomicUsize::new(0);
        let number = SITES.fetch_add(1, Ordering::Relaxed);
        let name = format!("scopeforge-test-{}-{number}", std::process::id());
        docker(&["network", "create", &name]).await;
        let data = tempfile::TempDir::new().expect("a folder");
        std::fs::copy(root().join("tests/data/flights.parquet"), data.path().join("flights.parquet"))
            .expect("the data");
        let spec = flights::spec();
        let local = spec.split('"').find(|part| part.ends_with(".parquet")).expect("a source");
        std::fs::write(data.path().join("model.toml"), spec.replace(local, "/data/source/flights.parquet"))
            .expect("the spec");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(data.path(), open).expect("readable by everyone");
        Site { name, data }
    }

    /// Starts a container of `image`, with its command behind it, that is called `name` inside the network; returns its id.
    async fn start(&self, name: &str, image: &[&str], more: &[&str]) -> String {
        let label = format!("scopeforge.test={}", self.name);
        let fixed = ["run", "-d", "--network", &self.name, "--network-alias", name, "--label", &label];
        let started = docker(&[&fixed[..], more, image].concat()).await;
        started.out.trim().to_owned()
    }

    fn data(&self) -> String {
        format!("{}:/data/source:ro", self.data.path().display())
    }

    async fn enqueue(&self, arguments: &[&str]) -> Finished {
        let data = self.data();
        let fixed = [
            "run",
            "--rm",
            "--network",
            &self.name,
            "-v",
            &data,
            "-e",
            "SCOPEFORGE_NATS_URL=nats://nats:4222",
            "scopeforge/enqueue:test",
            "--json",
        ];
        run("docker", &[&fixed[..], arguments].concat()).await
    }
}

/// The folder of the programs that are tested.
fn programs() -> String {
    tests::program("enqueue").parent().expect("a folder").display().to_string()
}

/// Whether a Docker daemon answers; then the images are there, made once for all tests.
async fn images() -> bool {
    static MADE: OnceCell<bool> = OnceCell::const_new();
    let make = || async {
        let daemon = run("docker", &["version", "--format", "{{.Server.Version}}"]).await;
        if daemon.code != 0 {
            eprintln!("no Docker daemon answers, so no image is tried");
            return false;
        }
        let folder = programs();
        run("docker/local-base", &["--binaries", &folder]).await.ok();
        run("docker/build", &["--tag", "test", "--binaries", &folder]).await.ok();
        true
    };
    *MADE.get_or_init(make).await
}

/// An image that carries a channel's fits answers with nothing beside it, and on a root file system that is only read.
#[tokio::test]
async fn an_image_with_fits_answers_alone() {
    if !images().await {
        return;
    }
    let stack = Stack::start(Setup::default()).await;
    stack.add_model(&flights::spec()).await;
    stack.ask(&["train", "arrival_delay", "--scope", flights::SCOPES, "--levels", "--wait"]).await;
    let file = stack.folder.path().join("fits.pack").display().to_string();
    stack.ask(&["channel", "export", "live", "--out", &file]).await;
    let site = Site::new().await;
    let image = format!("scopeforge/gateway:{}", site.name);
    let folder = programs();
    let bake = ["--gateway", "--from", "scopeforge/gateway:test", "--tag", &image, "--binaries", &folder];
    let baked = run("docker/bake", &[&["--fits", &file][..], &bake].concat()).await.ok();
    assert!(baked.out.contains("403 fits") && baked.out.contains(&image), "{baked:?}");
    let gateway = site.start("gateway", &[&image], &["--read-only", "-p", "127.0.0.1::8080"]).await;
    let address =
        docker(&["port", &gateway, "8080/tcp"]).await.out.lines().next().expect("an address").to_owned();
    predicts(&address).await;
    docker(&["stop", "--time", "20", &gateway]).await;
    docker(&["rm", &gateway]).await;
    docker(&["image", "rm", &image]).await;

    let torn = std::fs::read(&file).expect("the file");
    let torn = stack.write("torn.pack", &torn[..torn.len() / 2]).display().to_string();
    let refused = run("docker/bake", &[&["--fits", &torn][..], &bake].concat()).await;
    assert!(refused.code == 1 && refused.err.contains("it should have"), "{refused:?}");
}

#[tokio::test]
async fn images_train_and_predict_and_a_trainer_joins_with_one_variable() {
    if !images().await {
        return;
    }
    let site = Site::new().await;
    let nats = ["-e", "SCOPEFORGE_NATS_URL=nats://nats:4222"];
    let both = [&nats[..], &["-e", "SCOPEFORGE_STORE=redis://redis:6379"]].concat();
    let data = site.data();
    site.start("nats", &["scopeforge/nats:local", "-js"], &[]).await;
    site.start("redis", &["scopeforge/redis:local", "--protected-mode", "no"], &[]).await;
    let gateway = site
        .start("gateway", &["scopeforge/gateway:test"], &[&both[..], &["-p", "127.0.0.1::8080"]].concat())
        .await;
    site.start("predictor", &["scopeforge/predictor:test"], &both).await;
    site.start("trainer", &["scopeforge/trainer:test"], &[&both[..], &["-v", &data]].concat()).await;
    trainers(&site, 1).await;
    // The second one knows nothing but the broker.
    let joined =
        site.start("trainer-2", &["scopeforge/trainer:test"], &[&nats[..], &["-v", &data]].concat()).await;
    trainers(&site, 2).await;
    site.enqueue(&["model", "add", "/data/source/model.toml"]).await.ok();
    let train = ["train", "arrival_delay", "--scope", flights::SCOPES, "--levels", "--wait", "--force"];
    until("the second trainer landing packs", || async {
        let closed = site.enqueue(&train).await.ok().json();
        assert_eq!(closed["outcomes"], json!({"trained": 403, "too_few_rows": 88}));
        let log = run("docker", &["logs", &joined]).await;
        (log.err + &log.out).contains("landed").then_some(())
    })
    .await;
    let address =
        docker(&["port", &gateway, "8080/tcp"]).await.out.lines().next().expect("an address").to_owned();
    predicts(&address).await;
    // `docker stop` ends a trainer by itself, well before it would be killed.
    docker(&["stop", "--time", "20", &joined]).await;
    let state = docker(&["inspect", "--format", "{{.State.ExitCode}}", &joined]).await;
    assert_eq!(state.out.trim(), "0");
}

async fn trainers(site: &Site, count: u64) {
    until("the trainers announcing themselves", || async {
        let lag = site.enqueue(&["lag"]).await;
        (lag.code == 0 && lag.json()["trainers"] == count).then_some(())
    })
    .await;
}

async fn predicts(address: &str) {
    runtime::objects::install_tls();
    let body = json!({"rows": [{"carrier": "UA", "origin": "EWR", "dest": "IAH", "dep_delay": 12, "distance": 1400,
        "hour": 9, "month": 12, "day": 3, "time_hour": "2013-12-03T14:00:00Z"}]});
    let url = format!("http://{address}/v1/models/arrival_delay/predict");
    let answer: Value = until("the gateway predicting", || async {
        let answer = reqwest::Client::new().post(&url).json(&body).send().await.ok()?;
        if answer.status().is_success() { answer.json().await.ok() } else { None }
    })
    .await;
    assert_eq!(answer["fits"][0]["scope"], "carrier=UA,origin=EWR,dest=IAH");
    assert!(answer["predictions"][0].is_number(), "{answer}");
}
