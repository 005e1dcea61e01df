//! The program far from its sources, and models as one file.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use fastersam_datasets::phantom::Phantom;
use fastersam_volume::{Orientation, write_image_volume};
use serde_json::Value;

use crate::program::small;

/// A folder that the program runs in.
struct Place(tempfile::TempDir);

impl Place {
    fn run(&self, line: &str, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fastersam"));
        command.current_dir(self.0.path()).args(line.split(' ')).args(more).output().unwrap()
    }

    #[track_caller]
    fn prints(&self, line: &str, more: &[&str]) -> String {
        let output = self.run(line, more);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn fails(&self, line: &str) -> String {
        let output = self.run(line, &[]);
        assert!(!output.status.success(), "{line} succeeded");
        String::from_utf8(output.stderr).unwrap()
    }

    #[track_caller]
    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.prints(line, &[])).unwrap()
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }
}

fn scan(path: &Path) {
    let scan = Phantom::Heart.acquire(5, 0, 48);
    write_image_volume(path, &scan.raw, scan.spacing_mm, Orientation::default()).unwrap();
}

#[test]
fn far_from_its_sources_the_program_reproduces_reports_and_exports_a_model_that_equals_its_run() {
    let place = Place(tempfile::tempdir().unwrap());
    place.prints("reproduce --only phantom-heart -o run", &small());
    let page = fs::read_to_string(place.at("run/report/index.html")).unwrap();
    assert!(page.contains("segment-anything-fast"), "published rows are in the report");
    place.prints("report run", &[]);
    assert!(fs::read_to_string(place.at("run/report/index.html")).unwrap() == page);
    let message = place.fails("reproduce --suite huge");
    assert!(message.contains("unknown suite `huge`; choose acdc-vit-s, cpu-quick, smoke"), "{message}");

    let careful = "calibrate -m run/phantom-heart -c phantom-heart --macs-share 0.9 --profile careful";
    place.prints(careful, &small());
    let printed = place.prints(
        "export run/phantom-heart -o heart.fastersam --license CC-BY-4.0 --citation",
        &["Nobody, \u{201c}Hearts\u{201d}, 2026"],
    );
    assert_eq!(printed.trim(), "heart.fastersam");
    same_results(&place);
    the_card(&place);

    // Nothing is replaced unasked, and no input ever.
    let before = fs::read(place.at("heart.fastersam")).unwrap();
    assert!(place.fails("export run/phantom-heart -o heart.fastersam").contains("--overwrite"));
    assert!(fs::read(place.at("heart.fastersam")).unwrap() == before);
    let model = fs::read_dir(place.at("run/phantom-heart/checkpoints")).unwrap();
    let model = model.map(|entry| entry.unwrap().path().join("model.bpk")).find(|path| path.exists()).unwrap();
    let onto = format!("export run/phantom-heart --overwrite -o {}", model.display());
    assert!(place.fails(&onto).contains("same file as the input"));
    // What is no run, or no model.
    assert!(place.fails("export heart.fastersam -o other.fastersam").contains("the folder of the run"));
    assert!(place.fails("export run -o other.fastersam").contains("checkpoints"));
    let message = place.fails("export run/phantom-heart -o other.fastersam --without-backbone");
    assert!(message.contains("trained as a whole"), "{message}");
    let message = place.fails("segment scan.nii.gz -m scan.nii.gz -o other.nii.gz");
    assert!(message.contains("not a usable model"), "{message}");
    let message = place.fails("calibrate -m heart.fastersam -c phantom-heart --macs-share 0.5");
    assert!(message.contains("never changed: calibrate the run"), "{message}");
}

/// The file gives what the run gives: label maps, records, times of the same weights.
fn same_results(place: &Place) {
    scan(&place.at("scan.nii.gz"));
    for pause in ["", " --pause never", " --pause careful"] {
        let both = ["run/phantom-heart", "heart.fastersam"].map(|model| {
            let line = format!("segment scan.nii.gz -m {model} -o map.nii.gz --overwrite --json{pause}");
            let said = place.json(&line);
            (said["model_sha256"].clone(), said["pause"].clone(), fs::read(place.at("map.nii.gz")).unwrap())
        });
        assert!(both[0] == both[1], "{pause}");
    }
    let measured = small();
    let scored = ["run/phantom-heart", "heart.fastersam"].map(|model| {
        let line = format!("evaluate -m {model} -c phantom-heart --pause recommended --json");
        let mut record: Value = serde_json::from_str(&place.prints(&line, &measured)).unwrap();
        record["provenance"]["date"].take();
        let path = record["record"].take();
        (record, path.as_str().unwrap().rsplit('/').next().unwrap().to_owned())
    });
    assert_eq!(scored[0], scored[1]);
    assert!(fs::read_dir(place.at("records")).unwrap().count() == 1, "records lie beside the file");
}

fn the_card(place: &Place) {
    let card = place.json("inspect heart.fastersam --json");
    assert_eq!((card["name"].as_str(), card["license"].as_str()), (Some("heart"), Some("CC-BY-4.0")));
    assert_eq!(card["training"]["epochs"], 1);
    assert_eq!(card["training"]["cases"], "1 drawn volume");
    assert!(card["program"]["commit"].is_string());
    assert_eq!(card["file"]["bytes"].as_u64(), Some(fs::metadata(place.at("heart.fastersam")).unwrap().len()));
    let scores = card["scores"].as_array().unwrap();
    let labels: Vec<_> = scores.iter().map(|score| &score["pausing"]).collect();
    assert_eq!(scores.len(), 2, "never and recommended: {labels:?}");
    assert!(scores.iter().all(|score| score["split"] == "test" && score["dice"].is_number()));
    let (text, markdown) =
        (place.prints("inspect heart.fastersam", &[]), place.prints("inspect heart.fastersam --markdown", &[]));
    for part in [
        "1 right ventricle",
        "careful: threshold 0.",
        "epoch, seed 1",
        "CC-BY-4.0",
        "Hearts",
        "recommended: threshold 0.9",
        "Dice 0.",
    ] {
        assert!(text.contains(part) && markdown.contains(part), "{part} in\n{text}\n{markdown}");
    }
    assert!(markdown.starts_with("# heart\n"), "{markdown}");
    // The run has the same card, but for what was said when it was exported.
    let run = place.prints("inspect run/phantom-heart", &[]);
    assert!(run.contains("Scores on phantom heart, test split") && !run.contains("CC-BY"), "{run}");
    assert!(place.json("inspect run/phantom-heart --json")["seal"].is_string());
}
