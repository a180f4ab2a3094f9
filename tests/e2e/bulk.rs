//! `enqueue predict`: whole files over the broker.

use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int16Type, Int32Type, TimestampMillisecondType};
use arrow_array::{Array, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use tests::flights::{self, SCOPES};
use tests::program::{Finished, finish, root};
use tests::{Setup, Stack, until};

/// Memory that the command may take, whatever the file's size.
const MEMORY_KIB_MAX: u64 = 300 * 1024;

fn flights() -> PathBuf {
    root().join("tests/data/flights.parquet")
}

fn rows(file: &Path) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(file).expect("a file"));
    reader.expect("parquet").build().expect("parquet").map(|batch| batch.expect("rows")).collect()
}

/// Trains all flights' scopes, and waits until every one of them answers.
async fn trained(setup: Setup, scopes: &str) -> Stack {
    let stack = Stack::start(setup).await;
    stack.add_model(&flights::spec()).await;
    stack.ask(&["train", "arrival_delay", "--scope", scopes, "--levels", "--wait"]).await;
    let sample = body(&rows(&flights())[0].slice(0, 512));
    let (predictors, mut said) = (stack.predictors.len(), Value::Null);
    // Each predictor hears of the last fits by itself.
    for _ in 0..2 * predictors {
        said = until("all fits answering", || async {
            let (status, answer) = stack.predict("arrival_delay", sample.clone()).await;
            (status == 200 && answer["fits"] == said["fits"] || said.is_null()).then_some(answer)
        })
        .await;
    }
    stack
}

/// Rows as a client of the gateway sends them.
fn body(rows: &RecordBatch) -> String {
    let text = |name: &str| rows.column_by_name(name).expect("a column").as_string::<i32>().clone();
    let (carrier, origin, dest) = (text("carrier"), text("origin"), text("dest"));
    let times = rows.column_by_name("time_hour").expect("times").as_primitive::<TimestampMillisecondType>();
    let short = |name: &str, row: usize| {
        let column = rows.column_by_name(name).expect("a column").as_primitive_opt::<Int16Type>();
        column.and_then(|column| column.is_valid(row).then(|| column.value(row)))
    };
    let tiny = |name: &str, row: usize| {
        let column = rows.column_by_name(name).expect("a column");
        column.as_primitive::<arrow_array::types::Int8Type>().value(row)
    };
    let row = |row: usize| {
        json!({
            "carrier": carrier.value(row), "origin": origin.value(row), "dest": dest.value(row),
            "dep_delay": short("dep_delay", row), "distance": short("distance", row), "hour": tiny("hour", row),
            "month": tiny("month", row), "day": tiny("day", row),
            "time_hour": schemas::time::format_ms(times.value(row)),
        })
    };
    json!({ "rows": (0..rows.num_rows()).map(row).collect::<Vec<_>>() }).to_string()
}

async fn measured(stack: &Stack, arguments: &[&str]) -> (Finished, u64) {
    let mut command = tokio::process::Command::new("sh");
    let program = stack.command("enqueue");
    command.envs(program.as_std().get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(root());
    let peak = stack.folder.path().join("peak");
    let script = format!(
        "\"$@\" & child=$!; while kill -0 $child 2>/dev/null; do \
        sed -n 's/^VmHWM:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/$child/status > {0}.new 2>/dev/null && \
        [ -s {0}.new ] && mv {0}.new {0}; sleep 0.02; done; wait $child",
        peak.display()
    );
    command.args(["-c", &script, "sh"]).arg(program.as_std().get_program()).args(arguments);
    let finished = finish(command).await;
    let peak = std::fs::read_to_string(peak).unwrap_or_default();
    (finished, peak.trim().parse().unwrap_or_default())
}

/// All flights, by two predictors: in order, in little memory, and as the gateway answers.
#[tokio::test]
async fn a_parquet_file_is_predicted_whole_and_as_the_gateway_does() {
    let stack = trained(Setup { predictors: 2, ..Setup::default() }, SCOPES).await;
    let out = stack.folder.path().join("out.parquet");
    let (input, output) = (flights(), out.to_string_lossy().into_owned());
    let arguments = ["--json", "predict", "arrival_delay", &input.to_string_lossy(), "--out", &output];
    let (finished, peak_kib) = measured(&stack, &arguments).await;
    // Flights that never left have no departure delay.
    assert_eq!(finished.code, 1, "{finished:?}");
    let said = finished.json();
    assert_eq!(
        (&said["rows"], &said["failed"], &said["predicted"]),
        (&json!(336_776), &json!(8_255), &json!(328_521))
    );
    assert!(
        said["first_failed"]["error"].as_str().is_some_and(|error| error.contains("dep_delay")),
        "{said}"
    );
    assert!(peak_kib > 0 && peak_kib < MEMORY_KIB_MAX, "{peak_kib} KiB");

    let (before, after) = (rows(&flights()), rows(&out));
    let whole = |all: &[RecordBatch], name: &str| -> Vec<Option<String>> {
        let texts =
            all.iter().flat_map(|batch| batch.column_by_name(name).expect("a column").as_string::<i32>());
        texts.map(|text| text.map(str::to_owned)).collect()
    };
    assert_eq!(whole(&after, "tailnum"), whole(&before, "tailnum"), "rows in another order");
    assert_eq!(after[0].num_columns(), before[0].num_columns() + 4);
    let errors = whole(&after, "error");
    let first = errors.iter().position(Option::is_some).expect("an error");
    assert_eq!(said["first_failed"]["row"], json!(first + 1));
    assert_eq!(errors.iter().flatten().count(), 8_255);

    let (sample, predicted) = (before[100].slice(0, 1_000), after.iter());
    let skipped = before[..100].iter().map(RecordBatch::num_rows).sum::<usize>();
    let (status, answer) = stack.predict("arrival_delay", body(&sample)).await;
    assert_eq!(status, 200, "{answer}");
    let numbers: Vec<Option<f64>> = predicted
        .clone()
        .flat_map(|batch| {
            batch.column_by_name("prediction").expect("predictions").as_primitive::<Float64Type>()
        })
        .collect();
    let levels: Vec<Option<i32>> = predicted
        .flat_map(|batch| batch.column_by_name("level").expect("levels").as_primitive::<Int32Type>())
        .collect();
    let scopes = whole(&after, "scope");
    for row in 0..sample.num_rows() {
        let place = skipped + row;
        assert_eq!(answer["predictions"][row].as_f64(), numbers[place], "row {place}");
        if let Some(fit) = answer["fit_of"][row].as_u64() {
            let fit = &answer["fits"][fit as usize];
            assert_eq!(fit["scope"].as_str(), scopes[place].as_deref());
            assert_eq!(fit["level"].as_i64(), levels[place].map(i64::from));
        }
    }
    takes_no_more_memory(&stack).await;
}

/// Six times as many rows take as much memory.
async fn takes_no_more_memory(stack: &Stack) {
    let many = stack.folder.path().join("many");
    std::fs::create_dir(&many).expect("a folder");
    for copy in 0..6 {
        std::fs::copy(flights(), many.join(format!("{copy}.parquet"))).expect("a copy");
    }
    let output = stack.folder.path().join("many.csv").to_string_lossy().into_owned();
    let arguments = ["--json", "predict", "arrival_delay", &many.to_string_lossy(), "--out", &output];
    let (finished, peak_kib) = measured(stack, &arguments).await;
    assert_eq!(finished.json()["rows"], json!(6 * 336_776));
    assert!(peak_kib > 0 && peak_kib < MEMORY_KIB_MAX, "{peak_kib} KiB");
}

#[tokio::test]
async fn texts_are_predicted_too_and_bad_rows_are_counted() {
    let stack = trained(Setup { gateway: true, ..Setup::default() }, "carrier=UA").await;
    let line =
        |carrier: &str, delay: &str| format!("{carrier},EWR,IAH,{delay},1400,9,12,3,2013-12-03T14:00:00Z");
    let head = "carrier,origin,dest,dep_delay,distance,hour,month,day,time_hour";
    let lines = [line("UA", "12"), line("UA", "late"), line("UA", ""), line("UA", "-1.5")];
    let input = stack.write("in.csv", format!("{head}\n{}\n", lines.join("\n")));
    let output = stack.folder.path().join("out.csv").to_string_lossy().into_owned();
    let input = input.to_string_lossy().into_owned();
    let finished = stack.enqueue(&["predict", "arrival_delay", &input, "--out", &output]).await;
    assert_eq!(finished.code, 1, "{finished:?}");
    assert!(
        finished.out.contains("2 of 4 rows failed, the first is row 2: `dep_delay`: a number is required"),
        "{finished:?}"
    );
    let text = std::fs::read_to_string(&output).expect("an output");
    let mut written = text.lines();
    assert_eq!(written.next(), Some(format!("{head},prediction,scope,level,error").as_str()));
    let row = json!({"carrier": "UA", "origin": "EWR", "dest": "IAH", "dep_delay": 12, "distance": 1400, "hour": 9,
                     "month": 12, "day": 3, "time_hour": "2013-12-03T14:00:00Z"});
    let (_, answer) = stack.predict("arrival_delay", json!({ "rows": [row] }).to_string()).await;
    let expected = format!("{},{},carrier=UA,2,", lines[0], answer["predictions"][0]);
    assert_eq!(written.next(), Some(expected.as_str()));
    assert!(written.next().is_some_and(|line| line.contains(",late,") && line.contains(",,,,")));

    // Another form, and only good rows.
    let good = stack.write("good.ndjson", "{\"carrier\":\"UA\",\"dep_delay\":12,\"distance\":1400,\"hour\":9,\"month\":12,\"day\":3,\"time_hour\":\"2013-12-03T14:00:00Z\"}\n");
    let said =
        stack.ask(&["predict", "arrival_delay", &good.to_string_lossy(), "--out", &output, "--force"]).await;
    assert_eq!((&said["predicted"], &said["failed"], said.get("first_failed")), (&json!(1), &json!(0), None));

    // What folders spell is a column of the output as well, and what nobody spells is told at once.
    std::fs::create_dir(stack.folder.path().join("carrier=UA")).expect("a folder");
    let (head, row) =
        (head.replace("carrier,origin,dest,", "orgin,"), lines[0].replace("UA,EWR,IAH,", "EWR,"));
    let input = stack.write("carrier=UA/in.csv", format!("{head}\n{row}\n")).to_string_lossy().into_owned();
    let finished = stack.enqueue(&["predict", "arrival_delay", &input, "--out", &output, "--force"]).await;
    let lacks = "no column `origin`, so that coarser levels will answer; did you mean `orgin`?";
    assert!(finished.code == 0 && finished.err.contains(lacks), "{finished:?}");
    let text = std::fs::read_to_string(&output).expect("an output");
    assert_eq!(
        text,
        format!(
            "{head},carrier,prediction,scope,level,error\n{row},UA,{},carrier=UA,2,\n",
            answer["predictions"][0]
        )
    );
}

#[tokio::test]
async fn mistakes_are_named_and_leave_the_output_as_it_was() {
    let stack = trained(
        Setup { environment: vec![("SCOPEFORGE_CONNECT_WAIT_SECONDS", "1".into())], ..Setup::default() },
        "carrier=UA",
    )
    .await;
    let output = stack.write("out.csv", "as it was").to_string_lossy().into_owned();
    let input = stack.write("in.csv", "carrier\nUA\n").to_string_lossy().into_owned();
    let nested = stack.write("in.ndjson", "{\"carrier\":[1]}\n").to_string_lossy().into_owned();
    let torn = stack.write("torn.parquet", "PAR1").to_string_lossy().into_owned();
    let doubled = stack.write("doubled.csv", "carrier,carrier\nUA,DL\n").to_string_lossy().into_owned();
    let kinds = stack.write("bad.csv", "a,b\n1\n").to_string_lossy().into_owned();
    for (arguments, words) in [
        (vec!["arival_delay", &input, "--out", &output, "--force"], "did you mean `arrival_delay`?"),
        (vec!["arrival_delay", &input, "--out", &output], "is there already; --force"),
        (vec!["arrival_delay", &input, "--out", "out.txt"], "must end in .parquet"),
        (vec!["arrival_delay", "nowhere.csv", "--out", &output, "--force"], "there is no such file"),
        (vec!["arrival_delay", &nested, "--out", &output, "--force"], "cannot hold"),
        (vec!["arrival_delay", &doubled, "--out", &output, "--force"], "two columns `carrier`"),
        (vec!["arrival_delay", &torn, "--out", &output, "--force"], "torn.parquet: not valid parquet"),
        (vec!["arrival_delay", &kinds, "--out", &output, "--force"], "bad.csv: not valid CSV"),
        (
            vec!["arrival_delay", &input, "--out", &output, "--force", "--channel", "live2"],
            "did you mean `live`?",
        ),
    ] {
        let whole: Vec<&str> = std::iter::once("predict").chain(arguments).collect();
        let refused = stack.enqueue(&whole).await;
        assert!(refused.code == 2 && refused.err.contains(words), "{words}: {refused:?}");
    }
    let mut stack = stack;
    for predictor in stack.predictors.drain(..) {
        predictor.stop().await;
    }
    let nobody = stack.enqueue(&["predict", "arrival_delay", &input, "--out", &output, "--force"]).await;
    assert!(nobody.code == 1 && nobody.err.contains("no predictor is ready"), "{nobody:?}");
    assert_eq!(std::fs::read_to_string(&output).expect("the output"), "as it was");
    let left = std::fs::read_dir(stack.folder.path()).expect("a folder").flatten();
    assert!(!left.into_iter().any(|file| file.file_name().to_string_lossy().contains("predictions")));
}
