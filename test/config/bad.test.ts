import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { formatProblem } from '../../src/config/problems.ts';
import { folderWith, secrets } from './folder.ts';

const bad = join(import.meta.dirname, 'fixtures', 'bad');

/** One file per mistake, and what is said about it. */
const expected: Record<string, string | string[]> = {
  'absent-approval.yaml': '4:47 upstreams.wiki.tools[0].approval: is not supported (hint: not in this build)',
  'absent-arguments-full.yaml': '1:12 journal.arguments: has a value that is not supported (hint: not in this build; use hash or none)',
  'absent-arguments-metadata.yaml': '1:12 journal.arguments: has a value that is not supported (hint: not in this build; use hash or none)',
  'absent-tls.yaml': '1:11 listen.tls: is not supported (hint: not in this build; end TLS in a reverse proxy in front of keygate)',
  'agent-name-reserved.yaml': '1:11 agents.connect: is a reserved name (hint: choose another name than mcp, sse, api, connect)',
  'agent-name-taken.yaml':
    '1:11 agents.wiki: has a name that an upstream has already (hint: rename one of the two: they share /mcp/<name>)',
  'agent-name.yaml':
    '1:11 agents.Devops: is not a valid agent name (hint: lower-case letters, digits, "_" and "-", at most 63, beginning with a letter or digit)',
  'agent-no-upstreams.yaml': '1:26 agents.devops-7f3a.upstreams: must not be empty',
  'agent-org.yaml': '1:45 agents.devops-7f3a.org: must be 1 to 64 letters, digits, ".", "_" or "-", beginning with a letter or digit',
  'agent-unknown-setting.yaml': '1:45 agents.devops-7f3a.orgs: is not a known setting (hint: did you mean org?)',
  'agent-unknown-upstream.yaml': '1:38 agents.devops-7f3a.upstreams[0]: is not the name of an upstream (hint: did you mean wiki?)',
  'agent-upstream-twice.yaml': '1:50 agents.devops-7f3a.upstreams[2]: is named twice (hint: name each upstream once)',
  'agent-upstreams-missing.yaml': '1:11 agents.devops-7f3a.upstreams: is required',
  'alias-bomb.yaml': '2:8 b[0]: is a YAML alias; aliases are not supported (hint: write the value out)',
  'alias.yaml': '3:3 upstreams.docs: is a YAML alias; aliases are not supported (hint: write the value out)',
  'archive-bucket.yaml': '2:12 journal.archive: has no valid name of a bucket (hint: such as s3://bucket/prefix?region=eu-central-1)',
  'archive-credentials.yaml':
    '2:12 journal.archive: must not contain credentials (hint: the AWS SDK finds them: environment, shared files, the role of the machine)',
  'archive-dots.yaml':
    "2:12 journal.archive: has no valid prefix (hint: letters, digits and ! _ . * ' ( ) - between slashes, no part of dots alone)",
  'archive-embedded.yaml':
    '1:12 journal.archive: says nothing without a Redis store (hint: the embedded store keeps the journal in its own folder)',
  'archive-endpoint.yaml': '2:12 journal.archive: has an endpoint that must not contain a user name or password',
  'archive-parameter.yaml':
    '2:12 journal.archive: has an unknown or repeated parameter (hint: region, endpoint and pathStyle are known, each once)',
  'archive-scheme.yaml':
    '2:12 journal.archive: must be a folder or an s3:// URL (hint: such as ./archive or s3://bucket/prefix?region=eu-central-1)',
  'binary-tag.yaml': '4:5 upstreams.wiki.environment: has a tag, which is not supported',
  'bot-name-taken.yaml': '1:9 bots.ops-1a: has a name that an agent has already (hint: rename one of the two: they share /mcp/<name>)',
  'charge-ending.yaml': '4:57 upstreams.wiki.tools[0].charge.toolerror: is not a known setting (hint: did you mean toolError?)',
  'charge-prompt.yaml': '4:59 upstreams.wiki.prompts[0].charge.toolError: is not a known setting (hint: known here: error, timeout, lost)',
  'charge-value.yaml': '4:57 upstreams.wiki.tools[0].charge.timeout: must be full or none',
  'charge-word.yaml': '4:47 upstreams.wiki.tools[0].charge: must be a mapping',
  'children-depth.yaml': '1:21 keys.children.depthMax: must be at most 16 (hint: every ancestor of a key is checked at every call)',
  'client-collision.json': '4:5 mcpServers.my-wiki: becomes the upstream my-wiki, a name that is taken (hint: rename one of the two)',
  'client-comand.json': '1:19 mcpServers.wiki: has no command (hint: is comand meant to be command?)',
  'client-input.json':
    '4:91 servers.wiki.headers.Authorization: asks the client for an ${input:…}, which a gateway cannot do (hint: use ${env:NAME} or ${file:/path} instead)',
  'client-list.json': '1:3 mcpServers: must be a mapping',
  'client-native.json':
    '1:65 mcpServers.wiki.credential: is a setting of keygate in a client file (hint: write this server under `upstreams`)',
  'client-no-url.json': '1:19 mcpServers.wiki: has no url (hint: is ulr meant to be url?)',
  'client-nothing.json': '1:19 mcpServers.wiki: has no url and no command',
  'client-reserved.json': '1:19 mcpServers.MCP: is a reserved name (hint: choose another name than mcp, sse, api, connect)',
  'command-and-url.yaml':
    '2:43 upstreams.wiki.command: stands beside a url (hint: a server is either reached at its url or started by its command)',
  'command-args-number.yaml': '2:40 upstreams.wiki.args[1]: must be a string (hint: write it in quotes)',
  'command-credential.yaml': '2:25 upstreams.wiki.credential: is a header, and a command gets none (hint: pass its secrets in env)',
  'command-empty.yaml': '2:11 upstreams.wiki.command: must not be empty',
  'command-env-name.yaml':
    '2:25 upstreams.wiki.env: has a name that no environment variable can have (hint: letters, digits and "_", not beginning with a digit)',
  'command-env-nul.yaml': '2:32 upstreams.wiki.env.A: must not contain NUL',
  'command-env-unset.json':
    '3:68 mcpServers.Files.env.TOKEN: needs the environment variable KEYGATE_NOT_SET, which is not set (hint: set KEYGATE_NOT_SET, or write ${KEYGATE_NOT_SET:-default})',
  'command-missing.yaml': [
    '4:5 upstreams.wiki.args: says nothing without a command',
    '5:5 upstreams.wiki.env: says nothing without a command',
    '6:5 upstreams.wiki.cwd: says nothing without a command',
    '7:5 upstreams.wiki.stdio: says nothing without a command',
  ],
  'command-passthrough.yaml': '2:26 upstreams.wiki.passthrough: needs a url: a command has no paths (hint: remove it)',
  'command-sse.yaml': '2:25 upstreams.wiki.transport: needs a url, and there is a command (hint: leave it out, or use stdio)',
  'command-words.yaml': '2:11 upstreams.wiki.command: must be one program, without arguments (hint: put what follows it into args)',
  'credential-blank.yaml':
    '4:42 upstreams.wiki.credential.value: must not begin or end with white space (hint: a part of the value may be empty)',
  'credential-host.yaml': '4:19 upstreams.wiki.credential.header: is a header that keygate sets itself',
  'credential-length.yaml': '4:20 upstreams.wiki.credential[0].header: is a header that keygate sets itself',
  'credential-mcp.yaml': '4:19 upstreams.wiki.credential.header: is a header that keygate sets itself',
  'credential-name.yaml': '4:19 upstreams.wiki.credential.header: must be a header name (hint: such as authorization or x-api-key)',
  'credential-newline.yaml': '4:34 upstreams.wiki.credential.value: must not contain line breaks or NUL',
  'credential-nul.yaml': '4:34 upstreams.wiki.credential.value: must not contain line breaks or NUL',
  'credential-number.yaml': '4:34 upstreams.wiki.credential.value: must be a string (hint: write it in quotes)',
  'credential-twice.yaml': '4:5 upstreams.wiki.credential: sets the same header twice',
  'denials.yaml': '4:5 upstreams.wiki.denials: must be jsonrpc or http or tool-error',
  'empty-variable.yaml':
    '2:11 upstreams.wiki.url: needs the environment variable KEYGATE_EMPTY, which is empty (hint: set KEYGATE_EMPTY, or write ${KEYGATE_EMPTY:-default})',
  'empty.yaml': '1:1: must be a mapping (hint: the file is empty)',
  'environment.yaml': '4:5 upstreams.wiki.environment: must be live or test',
  'expiry-number.yaml': '1:19 keys.expiry.default: must be a string (hint: a whole number and a unit, such as 90d)',
  'expiry-order.yaml': '1:19 keys.expiry.default: must not be longer than max',
  'expiry-unit.yaml':
    '1:19 keys.expiry.default: must be a duration of at most 36500d (hint: a whole number and a unit: 30s, 15m, 12h, 90d)',
  'guards-name.yaml':
    '1:19 keys.guards.wild: is not a known setting (hint: known here: wildcard, manage, unbudgeted, name, duplicate, expiry)',
  'guards-value.yaml': '1:19 keys.guards.wildcard: must be warn or refuse',
  'hierarchy-twice.yaml': '1:11 scopes.hierarchy: names an action twice',
  'hierarchy-word.yaml': '1:23 scopes.hierarchy[0]: must be a lower-case word (hint: letters, digits, "_" and "-")',
  'keys-prefix.yaml': '1:9 keys.prefix: must be 1 to 12 lower-case letters and digits, beginning with a letter',
  'lease-calls.yaml': '5:56 upstreams.wiki.tools[0].lease.calls: must be from 2 to 10000',
  'lease-embedded.yaml':
    '4:47 upstreams.wiki.tools[0].lease: says nothing without a Redis store (hint: the embedded store is as fast without; remove this)',
  'lease-long.yaml': '5:67 upstreams.wiki.tools[0].lease.ms: must be from 100 ms to 60 s',
  'lease-resource.yaml':
    '5:51 upstreams.wiki.resources[0].lease: is not a known setting (hint: known here: match, scope, price, charge, when, stepUp)',
  'lease-word.yaml': '5:47 upstreams.wiki.tools[0].lease: must be a mapping',
  'limit-fraction.yaml': '1:11 limits.streamsMax: must be a whole number or a string',
  'limit-hold.yaml': '1:35 limits.holdMsMax: must be greater than upstreamTimeoutMs, or a hold could end while its call is still running',
  'limit-size.yaml': '1:11 limits.bodyBytesMax: must be a whole number of bytes or a size (hint: such as 65536, 64KiB or 4MiB)',
  'limit-timer.yaml': '1:11 limits.upstreamTimeoutMs: must be at most 24d',
  'limit-zero.yaml': '1:11 limits.streamsMax: must be greater than zero',
  'limits-empty.yaml': '1:1 limits: must be a mapping (hint: it is empty: give it a value or remove it)',
  'list.yaml': '1:1: must be a mapping',
  'listen-host.yaml': '1:11 listen.mcp: has no valid host (hint: write host:port, such as 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:8080)',
  'listen-ipv6.yaml': '1:11 listen.mcp: must be host:port (hint: write host:port, such as 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:8080)',
  'listen-number.yaml': '1:11 listen.mcp: must be a string (hint: write host:port, such as 127.0.0.1:8080)',
  'listen-port.yaml': '1:11 listen.mcp: has a port above 65535 (hint: write host:port, such as 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:8080)',
  'listen-same.yaml': '1:32 listen.admin: must be another listener than listen.mcp (hint: choose another port)',
  'merge-key.yaml': '2:11 upstreams.wiki["<<"]: is a YAML merge key, which is not supported (hint: write the members out)',
  'method-all.yaml':
    '4:17 upstreams.wiki.methods[0].match: covers tools/*, which is not decided here (hint: use the sections tools, resources and prompts; name other methods exactly, such as logging/setLevel)',
  'method-discover.yaml':
    '4:17 upstreams.wiki.methods[0].match: covers server/discover, which is not decided here (hint: use the sections tools, resources and prompts; name other methods exactly, such as logging/setLevel)',
  'method-initialize.yaml':
    '4:17 upstreams.wiki.methods[0].match: covers initialize, which is not decided here (hint: use the sections tools, resources and prompts; name other methods exactly, such as logging/setLevel)',
  'method-notifications.yaml':
    '4:17 upstreams.wiki.methods[0].match: covers notifications/*, which is not decided here (hint: use the sections tools, resources and prompts; name other methods exactly, such as logging/setLevel)',
  'method-subscriptions.yaml':
    '4:17 upstreams.wiki.methods[0].match: covers subscriptions/listen, which is not decided here (hint: use the sections tools, resources and prompts; name other methods exactly, such as logging/setLevel)',
  'method-tasks.yaml':
    '4:17 upstreams.wiki.methods[0].match: covers tasks/*, which is not decided here (hint: use the sections tools, resources and prompts; name other methods exactly, such as logging/setLevel)',
  'method-tools.yaml':
    '4:17 upstreams.wiki.methods[0].match: covers tools/*, which is not decided here (hint: use the sections tools, resources and prompts; name other methods exactly, such as logging/setLevel)',
  'missing-file.yaml': '4:42 upstreams.wiki.credential.value: needs the file <cwd>/nowhere/token, which does not exist',
  'missing-pepper.yaml': '1:9 keys.pepper: needs the file <cwd>/nowhere/pepper, which does not exist (hint: run `keygate init`)',
  'name-double-underscore.yaml':
    '2:3 upstreams.a__b: must not contain "__", which separates an upstream from its tool (hint: use one underscore or a hyphen)',
  'name-long.yaml':
    '2:3 upstreams.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: is not a valid upstream name (hint: lower-case letters, digits, "_" and "-", at most 63, beginning with a letter or digit)',
  'name-reserved.yaml': '2:3 upstreams.mcp: is a reserved name (hint: choose another name than mcp, sse, api, connect)',
  'name-upper-case.yaml':
    '2:3 upstreams.Wiki: is not a valid upstream name (hint: lower-case letters, digits, "_" and "-", at most 63, beginning with a letter or digit)',
  'nested.yaml': '1:76: nests deeper than 64 levels',
  'no-upstreams.yaml': '1:1 upstreams: is required',
  'no-url.yaml': '2:3 upstreams.wiki.url: is required (hint: the url of the server, or a command that starts it)',
  'origin-path.yaml':
    '1:21 listen.origins[0]: must be one exact origin (hint: scheme, host and port only, in lower case, without a slash at the end: https://app.example.com)',
  'origin-star.yaml':
    '1:21 listen.origins[0]: must be one exact origin (hint: scheme, host and port only, in lower case, without a slash at the end: https://app.example.com)',
  'passthrough-methods.yaml': '4:71 upstreams.wiki.passthrough[0].methods: are not for a websocket, which is always opened with GET',
  'passthrough.yaml': [
    '5:11 upstreams.wiki.passthrough[0].path: must be a path that can be read in one way only (hint: such as /assets/** or /health, decoded, without . or .. or //)',
    '6:24 upstreams.wiki.passthrough[1].scope: must name a scope: there are no routes that need none (hint: such as read:wiki)',
    '6:71 upstreams.wiki.passthrough[1].to: must be a path of the same server (hint: such as /static, without a query; it takes the place of what stands before the first *)',
  ],
  'pepper-list-empty.yaml': '1:9 keys.pepper: must not be empty',
  'pepper-short.yaml': '1:9 keys.pepper: must have at least 32 characters (hint: `keygate init` makes a good one)',
  'pinning-mode.yaml': '4:16 upstreams.wiki.pinning.mode: must be off or first-sight or approve',
  'price-max-number.yaml':
    '4:56 upstreams.wiki.tools[0].price.max: must be a string (hint: write it in quotes, such as "0.10": numbers in YAML and JSON are rounded, money is not)',
  'price-max-zero.yaml':
    '4:56 upstreams.wiki.tools[0].price.max: must be more than 0: it is what is held for a call (hint: such as "0.10")',
  'price-missing.yaml': '4:97 upstreams.wiki.tools[0].price.missing: must be full or none',
  'price-name.yaml': "4:69 upstreams.wiki.tools[0].price.reported: must be a name of a result's _meta (hint: such as example.com/cost)",
  'price-negative.yaml':
    '4:47 upstreams.wiki.tools[0].price: must be a decimal number with at most six places, from 0 to 1000000000 (hint: such as "0.002")',
  'price-no-name.yaml': '4:47 upstreams.wiki.tools[0].price.reported: is required',
  'price-number.yaml':
    '4:47 upstreams.wiki.tools[0].price: must be a string or a mapping (hint: write it in quotes, such as "0.002": numbers in YAML and JSON are rounded, money is not)',
  'price-places.yaml':
    '4:47 upstreams.wiki.tools[0].price: must be a decimal number with at most six places, from 0 to 1000000000 (hint: such as "0.002")',
  'proto.yaml': '4:3 upstreams.__proto__: is not an allowed name',
  'proxies-address.yaml': '1:28 listen.trustedProxies[0]: must be a network in CIDR form (hint: add /32 for one address)',
  'proxies-prefix.yaml': '1:28 listen.trustedProxies[0]: must be a network in CIDR form (hint: such as 10.0.0.0/8 or fd00::/8)',
  'public-url.yaml': '1:1 publicUrl: must not have a query',
  'redis-durability.yaml': '2:10 redis.durability: must be server or fsync or replicated',
  'redis-embedded.yaml': '1:1 redis: says nothing without a Redis store (hint: set store to a redis:// URL, or remove this)',
  'redis-replicas.yaml': '2:10 redis.replicas: says nothing without durability: replicated (hint: set that too, or remove this)',
  'redis-timeout.yaml': '2:10 redis.commandTimeoutMs: must be from 100 ms to 30 s',
  'reference-nested.yaml': '2:11 upstreams.wiki.url: has one ${…} inside another, which is not supported',
  'reference-open.yaml': '2:11 upstreams.wiki.url: has a ${ without its } (hint: write $${ for a plain ${)',
  'reference.yaml':
    '2:11 upstreams.wiki.url: has a ${…} that is none of ${NAME}, ${NAME:-default}, ${env:NAME}, ${file:/path}, ${aws:id#member}, ${vault:path#member} (hint: write $${ for a plain ${)',
  'repeated-name.json': '1:66 upstreams.wiki: is written twice (hint: remove one of the two)',
  'repeated-name.yaml': '4:3 upstreams.wiki: is written twice (hint: remove one of the two)',
  'retain.yaml': '1:12 journal.retain: must be a duration of at most 36500d (hint: a whole number and a unit: 30s, 15m, 12h, 90d)',
  'risk-argument.yaml':
    "4:58 upstreams.wiki.tools[0].limits[0].argument: must name one of the tool's arguments (hint: such as amount, or order.amount inside an object)",
  'risk-day-twice.yaml': '4:80 upstreams.wiki.tools[0].limits[0].days: names a day twice',
  'risk-day.yaml': '4:87 upstreams.wiki.tools[0].limits[0].days[0]: must be mon or tue or wed or thu or fri or sat or sun',
  'risk-hours-empty.yaml':
    '4:58 upstreams.wiki.tools[0].limits[0].hours: must be a part of the day (hint: such as "08:00-18:00", or "22:00-06:00" over midnight)',
  'risk-hours.yaml':
    '4:58 upstreams.wiki.tools[0].limits[0].hours: must be a part of the day (hint: such as "08:00-18:00", or "22:00-06:00" over midnight)',
  'risk-negative.yaml':
    '4:76 upstreams.wiki.tools[0].limits[0].total: must be a decimal number with at most six places, from 0 to 1000000000 (hint: such as "100" or 2.5)',
  'risk-no-argument.yaml':
    '4:56 upstreams.wiki.tools[0].limits[0]: needs argument beside max (hint: one limit is argument with max, oneOf, or total and per; or hours)',
  'risk-no-per.yaml':
    '4:56 upstreams.wiki.tools[0].limits[0]: needs per beside total (hint: one limit is argument with max, oneOf, or total and per; or hours)',
  'risk-none.yaml':
    '4:56 upstreams.wiki.tools[0].limits[0]: says no limit (hint: one limit is argument with max, oneOf, or total and per; or hours)',
  'risk-per.yaml': '4:86 upstreams.wiki.tools[0].limits[0].per: must be minute or hour or day or week or month or total',
  'risk-places.yaml':
    '4:76 upstreams.wiki.tools[0].limits[0].max: must be a decimal number with at most six places, from 0 to 1000000000 (hint: such as "100" or 2.5)',
  'risk-resource.yaml':
    '4:51 upstreams.wiki.resources[0].limits: is not a known setting (hint: known here: match, scope, price, charge, when, stepUp)',
  'risk-same.yaml': '4:47 upstreams.wiki.tools[0].limits: has two totals over the same argument and window',
  'risk-stray.yaml':
    '4:56 upstreams.wiki.tools[0].limits[0]: has zone, which says nothing beside max (hint: one limit is argument with max, oneOf, or total and per; or hours)',
  'risk-two.yaml':
    '4:56 upstreams.wiki.tools[0].limits[0]: says both max and total (hint: one limit is argument with max, oneOf, or total and per; or hours)',
  'risk-unknown.yaml': '4:58 upstreams.wiki.tools[0].limits[0].arguments: is not a known setting (hint: did you mean argument?)',
  'risk-values.yaml': '4:76 upstreams.wiki.tools[0].limits[0].oneOf: must not be empty',
  'risk-word.yaml': '4:47 upstreams.wiki.tools[0].limits: must be a list',
  'risk-zone.yaml': '4:80 upstreams.wiki.tools[0].limits[0].zone: must be written Europe/Berlin',
  'rule-empty-match.yaml': '4:15 upstreams.wiki.tools[0].match: must not be empty',
  'rule-match-type.yaml': '4:28 upstreams.wiki.tools[0].match[1]: must be a string (hint: write it in quotes)',
  'rule-no-match.yaml': '4:13 upstreams.wiki.tools[0].match: is required',
  'rule-no-scope.yaml': '4:13 upstreams.wiki.tools[0].scope: is required',
  'rule-scope-none.yaml':
    '4:42 upstreams.wiki.methods[0].scope: must name a scope: there are no rules that need none (hint: such as read:wiki)',
  'rule-step-up.yaml': '4:47 upstreams.wiki.tools[0].stepUp: must be true or false',
  'rule-when-empty.yaml': '4:47 upstreams.wiki.tools[0].when: must have 1 to 4096 characters',
  'seal-short.yaml': '1:60 keys.seal[1]: must have at least 32 characters (hint: `keygate init` makes a good one)',
  'secrets-refresh.yaml': '1:12 secrets.refresh: must be from 1s to 1d (hint: such as 5m)',
  'signing-not-set.yaml':
    '1:9 keys.signing: must be the text of a JWK Set with at least one key (hint: {"keys": [{…}]}, as `keygate init` makes it)',
  'stdio-children.yaml': '2:34 upstreams.wiki.stdio.childrenMax: must be at least 1',
  'stdio-idle.yaml': '2:34 upstreams.wiki.stdio.idleMs: must be at least 1s',
  'stdio-process.yaml': '2:34 upstreams.wiki.stdio.process: must be session or shared',
  'stdio-unknown.yaml': '2:34 upstreams.wiki.stdio.idle: is not a known setting (hint: did you mean idleMs?)',
  'step-up-long.yaml': '1:11 stepUp.freshFor: must be at most 1h (hint: such as 5m)',
  'step-up-operators.yaml': '1:11 stepUp.operators: must be true or false',
  'store-cluster.yaml': '1:1 store: has a database, and a cluster has none to choose from',
  'store-database.yaml': '1:1 store: has a path that is no number of a database (hint: such as redis://127.0.0.1:6379/0)',
  'store-hosts.yaml': '1:1 store: names more than one host (hint: redis+cluster:// for a cluster, redis+sentinel:// behind Sentinels)',
  'store-no-host.yaml':
    '1:1 store: has no valid host (hint: such as redis://127.0.0.1:6379/0, redis+sentinel://h1:26379,h2:26379/name or redis+cluster://h1,h2)',
  'store-password.yaml':
    '1:1 store: must be a Redis URL (hint: redis://127.0.0.1:6379/0, redis+sentinel://h1:26379,h2:26379/name or redis+cluster://h1,h2; / ? # and @ in a password are written %2F %3F %23 and %40)',
  'store-percent.yaml': '1:1 store: has a % that encodes nothing (hint: write %25 for a plain %)',
  'store-port.yaml':
    '1:1 store: has no valid host (hint: such as redis://127.0.0.1:6379/0, redis+sentinel://h1:26379,h2:26379/name or redis+cluster://h1,h2)',
  'store-query.yaml':
    '1:1 store: has parameters that are not known (hint: sentinelUsername and sentinelPassword are, once each, for redis+sentinel:// alone)',
  'store-scheme.yaml': '1:1 store: must be a folder or a Redis URL (hint: such as ./var or redis://127.0.0.1:6379)',
  'store-sentinel.yaml': '1:1 store: must end in the name of the master (hint: such as redis+sentinel://h1:26379,h2:26379/mymaster)',
  'store-user.yaml': '1:1 store: has a user without a password (hint: redis://user:password@host, or redis://:password@host)',
  'syntax-and-unknown.yaml': [
    '1:1 listn: is not a known setting (hint: did you mean listen?)',
    '4:1: YAML syntax: Flow map in block collection must be sufficiently indented and end with a }',
  ],
  'syntax-indent.yaml': '4:1: YAML syntax: All mapping items must start at the same column',
  'syntax-json.json': '2:35: JSON syntax: not a JSON value',
  'syntax-quote.yaml': '4:1: YAML syntax: Missing closing "quote',
  'tag.yaml': '4:18: YAML syntax: tags are not allowed here',
  'thresholds-falling.yaml': '1:12 budgets.thresholds: must rise from one to the next (hint: such as [50, 80, 100])',
  'thresholds-fraction.yaml': '1:25 budgets.thresholds[0]: must be a whole percentage from 1 to 100 (hint: such as 80)',
  'thresholds-high.yaml': '1:29 budgets.thresholds[1]: must be a whole percentage from 1 to 100 (hint: such as 80)',
  'thresholds-none.yaml': '1:12 budgets.thresholds: must not be empty',
  'tools-word.yaml': '4:5 upstreams.wiki.tools: must be annotations or a list',
  'transport-stdio-alone.yaml': '2:3 upstreams.wiki.url: is required (hint: stdio needs a command)',
  'transport-stdio-url.yaml':
    '4:5 upstreams.wiki.transport: needs a command, and there is a url (hint: use http or sse, or a command in place of the url)',
  'transport-word.yaml': '2:43 upstreams.wiki.transport: must be http or sse or stdio',
  'two-documents.yaml': '4:1: has more than one YAML document (hint: remove the --- between them)',
  'unknown-limit.yaml': '1:11 limits.bodyBytes: is not a known setting',
  'unknown-rule.yaml': '4:47 upstreams.wiki.tools[0].prise: is not a known setting (hint: did you mean price?)',
  'unknown-top.yaml': '1:1 listn: is not a known setting (hint: did you mean listen?)',
  'unknown-upstream.yaml': '4:5 upstreams.wiki.credentials: is not a known setting (hint: did you mean credential?)',
  'unset-env.yaml':
    '2:11 upstreams.wiki.url: needs the environment variable KEYGATE_NOT_SET, which is not set (hint: set KEYGATE_NOT_SET, or write ${KEYGATE_NOT_SET:-default})',
  'unset.yaml':
    '2:11 upstreams.wiki.url: needs the environment variable KEYGATE_NOT_SET, which is not set (hint: set KEYGATE_NOT_SET, or write ${KEYGATE_NOT_SET:-default})',
  'upstream-health.yaml': [
    '4:16 upstreams.wiki.breaker.failures: must be from 1 to 1000',
    '4:29 upstreams.wiki.breaker.openFor: must be from 100ms to 10m (hint: such as 10s)',
    '5:15 upstreams.wiki.limits.queueMax: must be from 0 to 100000',
  ],
  'upstream-underscore.yaml':
    '2:3 upstreams.wiki_: must not end with "_", since "__" separates an upstream from its tool (hint: leave it out, or use a hyphen)',
  'url-fragment.yaml': '2:11 upstreams.wiki.url: must not have a fragment',
  'url-query.yaml': '2:11 upstreams.wiki.url: must not have a query (hint: use `credential` to send a secret in a header)',
  'url-scheme.yaml': '2:11 upstreams.wiki.url: must be an http or https URL',
  'url-user.yaml':
    '2:11 upstreams.wiki.url: must not contain a user name or password (hint: use `credential` to send a secret in a header)',
  'webhook-kind.yaml': '1:75 webhooks[0].kinds[0]: is no kind of journal record (hint: did you mean limit.threshold?)',
  'webhook-no-kinds.yaml': '1:67 webhooks[0].kinds: must not be empty',
  'webhook-no-secret.yaml': '1:12 webhooks[0].secret: is required',
  'webhook-secret-form.yaml': '1:32 webhooks[0].secret: must be whsec_ and the base64 of 24 to 64 bytes',
  'webhook-secret-short.yaml':
    '1:32 webhooks[0].secret: must have at least 24 characters (hint: or be whsec_ and the base64 of 24 to 64 bytes)',
  'webhook-timeout.yaml': '1:81 webhooks[0].timeoutMs: must be from 100 ms to 30 s',
  'webhook-twice.yaml': '1:1 webhooks: names the same url twice (hint: put the kinds of both in one)',
  'webhook-url.yaml': '1:14 webhooks[0].url: must be an http or https URL',
  'webhook-user.yaml': '1:14 webhooks[0].url: must not contain a user name or password',
  'workers-bodies.yaml':
    '2:11 limits.bodiesBytesMax: leaves each of 8 workers less than one body of limits.bodyBytesMax (hint: raise it, or have fewer workers)',
  'workers-command.yaml':
    '3:11 upstreams.wiki.command: starts a server for one process, and 2 workers would each have one of their own (hint: set workers: 1, or start the server with Streamable HTTP and give its url)',
  'workers-limit.yaml':
    '2:11 limits.requestsMax: is less than the number of workers, 8, and each has its share of it (hint: at least 8, or fewer workers)',
  'workers-list.yaml': '1:1 workers: must be a number or a string',
  'workers-many.yaml': '1:1 workers: must be a whole number from 0 to 1024 (hint: 0 is one for each core)',
  'workers-sse.yaml':
    '5:5 upstreams.wiki.transport: has its sessions in one process, and there are 2 workers (hint: set workers: 1, or use transport: http where the server has it)',
  'workers-upstream-limit.yaml':
    '5:15 upstreams.wiki.limits.concurrencyMax: is less than the number of workers, 8, and each has its share of it (hint: at least 8, or fewer workers)',
  'yaml-1.1.yaml': '1:1: asks for another YAML version than 1.2',
};

describe('bad configurations', () => {
  it('has an expectation for every file', () => {
    expect(readdirSync(bad).sort()).toEqual(Object.keys(expected).sort());
  });

  it.each(Object.entries(expected))('%s', async (name, lines) => {
    const cwd = folderWith(secrets).path;
    const loaded = await loadConfig({ file: join(bad, name), env: { KEYGATE_EMPTY: '' }, cwd });
    if (loaded.ok) throw new Error(`${name} was accepted`);
    const said = loaded.problems.map((problem) =>
      formatProblem(name, problem)
        .slice(name.length + 1)
        .replace(cwd, '<cwd>'),
    );
    expect(said).toEqual([lines].flat());
  });

  it('I5: no secret of any of them is quoted', async () => {
    const cwd = folderWith(secrets).path;
    let holding = 0;
    for (const name of Object.keys(expected)) {
      if (readFileSync(join(bad, name), 'utf8').includes('hunter2')) holding += 1;
      const loaded = await loadConfig({ file: join(bad, name), env: {}, cwd });
      expect(JSON.stringify(loaded)).not.toContain('hunter2');
    }
    expect(holding).toBeGreaterThan(8);
  });
});
