#!/usr/bin/env node
// Runs the program of the package for this machine (optionalDependencies, as esbuild does it), with the same arguments,
// streams, signals and exit code.
'use strict';

const { spawn } = require('node:child_process');
const { constants } = require('node:os');

const name = `imgfix-${process.platform}-${process.arch}`;

let program;
try {
    program = require.resolve(`${name}/imgfix`);
} catch {
    console.error(`imgfix: there is no package ${name} here: imgfix runs on Linux (x64, arm64), ` +
        'and npm must not leave out optional dependencies (--omit=optional)');
    process.exit(1);
}

const child = spawn(program, process.argv.slice(2), { stdio: 'inherit' });
// The program takes back what is unfinished when it is interrupted, and then ends; until then this process stays.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => child.kill(signal));
}
child.on('error', (error) => {
    console.error(`imgfix: cannot run ${program}: ${error.message}`);
    process.exit(1);
});
child.on('exit', (code, signal) => {
    process.exit(signal === null ? code : 128 + constants.signals[signal]);
});
