//! Who may publish a project, as an index names them, and whether a certificate is theirs.
//!
//! In come a publisher of a provenance (PEP 740) and what a certificate says of its holder; out
//! comes whether they agree. Which claim stands for what is as in PyPI's own library
//! (<https://github.com/pypi/pypi-attestations>): a repository and the workflow in it, of whatever
//! branch or tag; or an account of Google's.

use imgfix_sigstore::{Claim, Identity};
use serde::Deserialize;

/// A publisher as a provenance names it. What a kind does not have is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub(crate) struct Publisher {
    #[serde(default)]
    kind: String,
    repository: Option<String>,
    /// GitHub's: a file's name.
    workflow: Option<String>,
    /// GitLab's: a path.
    workflow_filepath: Option<String>,
    email: Option<String>,
    project_id: Option<String>,
    pipeline_definition_id: Option<String>,
    vcs_origin: Option<String>,
    vcs_ref: Option<String>,
}

/// What a publisher is held against.
struct Wanted {
    /// For people: `GitHub urllib3/urllib3 publish.yml`.
    shown: String,
    claims: Vec<(Claim, String)>,
    /// What the file that said how to build is called, without its version.
    config: Option<String>,
    name: Option<String>,
}

impl Publisher {
    /// `None`: it is of a kind that is not known, or says too little.
    fn wanted(&self) -> Option<Wanted> {
        let Self { kind, repository, workflow, workflow_filepath, email, .. } = self;
        let kind = kind.as_str();
        let of_forge = |host: &str, issuer: &str, config: &str, file: &str| {
            let repository = repository.as_ref()?;
            let url = format!("https://{host}/{repository}");
            Some(Wanted {
                shown: format!("{kind} {repository} {file}"),
                config: Some(format!("{url}/{config}{file}")),
                claims: vec![
                    (Claim::ISSUER, format!("https://{issuer}")),
                    (Claim::SOURCE_REPOSITORY, url),
                ],
                name: None,
            })
        };
        match kind {
            "GitHub" => {
                let issuer = "token.actions.githubusercontent.com";
                of_forge("github.com", issuer, ".github/workflows/", workflow.as_ref()?)
            }
            "GitLab" => of_forge("gitlab.com", "gitlab.com", "/", workflow_filepath.as_ref()?),
            "Google" => {
                let email = email.clone()?;
                Some(Wanted {
                    shown: format!("{kind} {email}"),
                    claims: vec![(Claim::ISSUER, "https://accounts.google.com".to_owned())],
                    config: None,
                    name: Some(email),
                })
            }
            "CircleCI" => {
                let (project, pipeline) =
                    (self.project_id.as_ref()?, self.pipeline_definition_id.as_ref()?);
                let signer = format!(
                    "https://circleci.com/api/v2/projects/{project}/pipeline-definitions/{pipeline}"
                );
                let issuer = "https://oidc.circleci.com".to_owned();
                let mut claims = vec![(Claim::ISSUER, issuer), (Claim::BUILD_SIGNER, signer)];
                let origin = self.vcs_origin.clone();
                let source = origin.as_ref().map_or(project, |origin| origin);
                let shown = format!("{kind} {source} {pipeline}");
                claims.extend(origin.clone().map(|one| (Claim::SOURCE_REPOSITORY, one)));
                claims.extend(self.vcs_ref.clone().map(|one| (Claim::SOURCE_REF, one)));
                Some(Wanted { shown, claims, config: None, name: None })
            }
            _ => None,
        }
    }

    /// Whether a certificate's holder is this publisher, for people; `None`: that cannot be said of
    /// one of its kind.
    ///
    /// # Errors
    /// It is somebody else: half a sentence.
    pub(crate) fn holds(&self, identity: &Identity) -> Option<Result<String, String>> {
        let Wanted { shown, claims, config, name } = self.wanted()?;
        let other = |what: &str| {
            let signer = &identity.name;
            Err(format!("the index names {shown}, and the {what} of {signer} signed it"))
        };
        let is_said = |(claim, want): &(Claim, String)| identity.claim(*claim) == Some(want);
        if !claims.iter().all(is_said) || name.is_some_and(|name| name != identity.name) {
            return Some(other("holder"));
        }
        let Some(config) = config else { return Some(Ok(shown)) };
        let versions = [Claim::SOURCE_DIGEST, Claim::SOURCE_REF].map(|one| identity.claim(one));
        let found = identity.claim(Claim::BUILD_CONFIG);
        let is_it = |version: &str| found == Some(&format!("{config}@{version}"));
        match versions.into_iter().flatten().any(is_it) {
            true => Some(Ok(shown)),
            false => Some(other("workflow")),
        }
    }
}
