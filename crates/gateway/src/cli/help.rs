/// How to use it.
pub const HELP: &str = "\
claude-gateway: a multi-tenant gateway for Claude

Usage:
  claude-gateway --demo                       run with a fake Claude and two tenants
  claude-gateway --config FILE                run with a TOML file
  claude-gateway check --config FILE          check a file; exit 1 if it has errors
  claude-gateway explain --config FILE --tenant ID --model M
                                              what would apply: limits, targets, prices
  claude-gateway keygen --tenant ID           make a key: the key, then its digest
  claude-gateway usage --ledger FILE...       sum ledgers; - is stdin
  claude-gateway --help                       say this
  claude-gateway --version                    say which version it is

Options of the first two:
  --listen ADDR          where tenants call; port 0 picks a free one
  --admin-listen ADDR    where /metrics, /healthz, /readyz and /usage are

Options of usage:
  --ledger FILE...       one or more; a ledger that goes on in other files puts the full ones aside as
                         usage.YYYYMMDDThhmmssZ.jsonl, with the time it did so, in UTC (-1, -2 after
                         the Z, if several fall into one second): all are usage*.jsonl
  --by COLUMN,COLUMN     tenant, user, feature, session, endpoint, model, served_model, target,
                         platform, outcome, status, service_tier, day, hour, month
                         (default: tenant,feature,model)
  --since WHEN           leave out calls before: RFC 3339, a day, or an age like 7d, 24h, 30m
  --until WHEN           leave out calls from then on
  --csv                  for a spreadsheet
";
