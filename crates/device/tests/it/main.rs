//! Names of devices.
#![allow(clippy::unwrap_used, missing_docs)]

use fastersam_device::{Backend, DeviceError, list, open};

#[test]
fn flex_is_there_and_every_backend_has_an_entry() {
    open("flex").unwrap();
    let entries = list();
    for backend in Backend::ALL {
        let of_backend: Vec<_> =
            entries.iter().filter(|entry| entry.name.split(':').next() == Some(&backend.to_string())).collect();
        assert!(!of_backend.is_empty(), "{backend}");
        for entry in of_backend {
            // What is listed can be opened, and what is not says why.
            match &entry.missing {
                None => drop(open(&entry.name).unwrap()),
                Some(reason) => {
                    assert!(!reason.is_empty());
                    assert!(open(&entry.name).is_err(), "{}", entry.name);
                }
            }
        }
    }
}

#[test]
fn other_names_say_what_there_is() {
    for name in ["", "gpu", "flex:0", "cudA", "cuda0", ":", "flex "] {
        assert!(matches!(open(name), Err(DeviceError::Unknown { .. })), "{name:?}");
    }
    for name in ["cuda:", "cuda:x", "wgpu:-1", "libtorch:0x1", "cuda:0:1"] {
        assert!(matches!(open(name), Err(DeviceError::Index { .. })), "{name:?}");
    }
    for backend in Backend::ALL.into_iter().filter(|backend| !backend.is_compiled()) {
        let error = open(&backend.to_string()).unwrap_err();
        assert!(error.to_string().contains(&format!("--features {}", backend.feature())), "{error}");
    }
}

#[test]
fn numbers_that_no_device_has_are_refused() {
    for backend in [Backend::Cuda, Backend::Wgpu].into_iter().filter(|backend| backend.is_compiled()) {
        let error = open(&format!("{backend}:999")).unwrap_err();
        assert!(matches!(error, DeviceError::Missing { .. }), "{error}");
    }
}
