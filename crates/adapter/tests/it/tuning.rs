use fastersam_adapter::Tuning;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct File {
    tuning: Tuning,
}

fn read(line: &str) -> Result<Tuning, String> {
    toml::from_str::<File>(line).map(|file| file.tuning).map_err(|e| e.to_string())
}

#[test]
fn every_scheme_reads_back_under_its_name() {
    for tuning in [
        Tuning::None,
        Tuning::Lora { rank: 4 },
        Tuning::LoraWithDecoder { rank: 4 },
        Tuning::MedicalSamAdapter { reduction: 4 },
        Tuning::SamMed2d { reduction: 4 },
        Tuning::Samus { reduction: 4 },
        Tuning::ConvBranch,
        Tuning::Bottleneck { reduction: 4 },
        Tuning::ConvBranchBottleneck { reduction: 4 },
    ] {
        let text = toml::to_string(&tuning).unwrap();
        assert!(text.contains(&format!("scheme = \"{}\"", tuning.name())), "{text}");
        assert_eq!(toml::from_str::<Tuning>(&text).unwrap(), tuning);
    }
}

#[test]
fn reads_as_documented() {
    assert_eq!(read("tuning = { scheme = \"lora\", rank = 4 }").unwrap(), Tuning::Lora { rank: 4 });
    assert_eq!(read("tuning = { scheme = \"none\" }").unwrap(), Tuning::None);
}

#[test]
fn refuses_what_it_does_not_know() {
    assert!(read("tuning = { scheme = \"lora\" }").unwrap_err().contains("rank"));
    assert!(read("tuning = { scheme = \"lora\", rank = 4, alpha = 2 }").unwrap_err().contains("alpha"));
    assert!(read("tuning = { scheme = \"prefix\" }").unwrap_err().contains("prefix"));
    assert!(read("tuning = { scheme = \"none\", rank = 4 }").unwrap_err().contains("rank"));
}

#[test]
fn only_the_channel_gate_is_not_point_wise() {
    assert!(!Tuning::SamMed2d { reduction: 4 }.is_point_wise());
    assert!(Tuning::Samus { reduction: 4 }.is_point_wise());
    assert!(Tuning::default().is_point_wise());
}
