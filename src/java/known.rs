//! Groups of artifacts whose jars do not say their group: those that Gradle or Ant builds. The
//! names are the repository's. That a jar is the repository's own is not proved: a repository
//! that does not know the name leaves it.

/// What the artifact's name begins with, and its group. The first that fits counts.
const GROUPS: &[(&str, &str)] = &[
    ("spring-boot", "org.springframework.boot"),
    ("spring-security-", "org.springframework.security"),
    ("spring-data-", "org.springframework.data"),
    ("spring-cloud-", "org.springframework.cloud"),
    ("spring-session-", "org.springframework.session"),
    ("spring-integration-", "org.springframework.integration"),
    ("spring-batch-", "org.springframework.batch"),
    ("spring-kafka", "org.springframework.kafka"),
    ("spring-retry", "org.springframework.retry"),
    ("spring-plugin-", "org.springframework.plugin"),
    ("spring-hateoas", "org.springframework.hateoas"),
    ("spring-ws-", "org.springframework.ws"),
    ("spring-", "org.springframework"),
    ("tomcat-embed-", "org.apache.tomcat.embed"),
    ("tomcat-", "org.apache.tomcat"),
    ("hibernate-validator", "org.hibernate.validator"),
    ("micrometer-", "io.micrometer"),
    ("reactor-core", "io.projectreactor"),
    ("reactor-netty", "io.projectreactor.netty"),
    ("kotlin-", "org.jetbrains.kotlin"),
    ("byte-buddy", "net.bytebuddy"),
];

/// Files of Tomcat's `lib` and `bin`, whose names in the repository are others.
const TOMCAT: &[(&str, &str)] = &[
    ("annotations-api", "tomcat-annotations-api"),
    ("catalina", "tomcat-catalina"),
    ("catalina-ant", "tomcat-catalina-ant"),
    ("catalina-ha", "tomcat-catalina-ha"),
    ("catalina-ssi", "tomcat-ssi"),
    ("catalina-storeconfig", "tomcat-storeconfig"),
    ("catalina-tribes", "tomcat-tribes"),
    ("el-api", "tomcat-el-api"),
    ("jasper", "tomcat-jasper"),
    ("jasper-el", "tomcat-jasper-el"),
    ("jaspic-api", "tomcat-jaspic-api"),
    ("jsp-api", "tomcat-jsp-api"),
    ("servlet-api", "tomcat-servlet-api"),
    ("websocket-api", "tomcat-websocket-api"),
    ("websocket-client-api", "tomcat-websocket-client-api"),
    ("tomcat-websocket", "tomcat-websocket"),
];

/// The group of an artifact; `None`: it is not known here.
#[must_use]
pub fn group(artifact: &str) -> Option<&'static str> {
    let known = GROUPS.iter().find(|(start, _)| artifact.starts_with(start));
    known.map(|(_, group)| *group)
}

/// The artifact that a file of Tomcat is, by the file's name without `.jar`.
#[must_use]
pub fn tomcat(stem: &str) -> Option<&'static str> {
    TOMCAT.iter().find(|(file, _)| *file == stem).map(|(_, artifact)| *artifact)
}
