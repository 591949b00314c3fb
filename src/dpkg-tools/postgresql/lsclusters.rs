//! `pg_lsclusters`: a table of the clusters.

use bstr::{BString, ByteSlice as _};

use super::cluster::{self, Cluster, Information};
use super::configuration;
use imgfix_shell::{Process, Status};

const HEADER: [&str; 7] =
    ["Ver", "Cluster", "Port", "Status", "Owner", "Data directory", "Log file"];

/// `[-h] [-s]`.
///
/// # Errors
/// Another option; a cluster whose server may run.
pub fn run(process: &mut Process<'_>) -> Status {
    let words = process.arguments().to_vec();
    let mut rows = vec![HEADER.map(BString::from).to_vec()];
    let mut with_start = false;
    for word in words {
        match &word[..] {
            b"-h" | b"--no-header" => rows.clear(),
            b"-s" | b"--start-conf" => with_start = true,
            other => return Err(process.unsupported(other)),
        }
    }
    for version in cluster::versions(process)? {
        for cluster in cluster::of_version(process, &version)? {
            let mut information = cluster.information(process)?;
            if with_start {
                information.status += &format!(",{}", information.start);
            }
            if !cluster.has_programs(process)? {
                information.status += ",binaries_missing";
            }
            rows.push(row(&cluster, information));
        }
    }
    process.print(table(&rows))?;
    Ok(0)
}

fn row(cluster: &Cluster, information: Information) -> Vec<BString> {
    let log = log(cluster, &information).into();
    let Information { port, status, owner, data, .. } = information;
    let Cluster { version, name } = cluster.clone();
    vec![version.into(), name.into(), port, status.into(), owner.into(), data, log]
}

/// Where messages go: the destination, with the files that it stands for.
fn log(cluster: &Cluster, information: &Information) -> Vec<u8> {
    let get = |name: &str| {
        let value = information.parameters.get(name.as_bytes().as_bstr());
        value.map(|value| &value[..]).filter(|value| !matches!(*value, b"" | b"0"))
    };
    let collects = get("logging_collector").and_then(configuration::truth) == Some(true);
    let file = match collects {
        false => information.log.to_vec(),
        true => {
            let folder = get("log_directory").unwrap_or(cluster.log_folder());
            let name = get("log_filename").unwrap_or(b"postgresql-%Y-%m-%d_%H%M%S.log");
            [folder, b"/", name].concat()
        }
    };
    let table = [file.strip_suffix(b".log").unwrap_or(&file), b".csv"].concat();
    let destination = get("log_destination").unwrap_or(b"stderr");
    destination.replacen("stderr", &file, 1).replacen("csvlog", table, 1)
}

/// Columns as wide as their longest cell; the last one is not padded.
fn table(rows: &[Vec<BString>]) -> Vec<u8> {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.len()).max().unwrap_or(1)
    };
    let mut text = Vec::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            text.extend_from_slice(cell);
            if column + 1 < row.len() {
                text.resize(text.len() + width(column) - cell.len() + 1, b' ');
            }
        }
        text.push(b'\n');
    }
    text
}
