"""apply.py NOTEBOOK JSON [--write]: apply old -> new by cell id; says what does not match exactly once."""
import json,sys
nb=json.load(open(sys.argv[1])); by={c['id']:c for c in nb['cells']}; done=0
import os
for i in json.load(open(sys.argv[2])):
    if not os.path.abspath(sys.argv[1]).endswith(i['file']): continue
    c=by.get(i['cell'])
    s=''.join(c['source']) if c else ''
    if s.count(i['old'])!=1: print('not applied:',i['cell'],'|',i['old'][:60]); continue
    c['source']=s.replace(i['old'],i['new']).splitlines(keepends=True); done+=1
print(done,'applied')
if '--write' in sys.argv: json.dump(nb,open(sys.argv[1],'w'),indent=1,ensure_ascii=False); open(sys.argv[1],'a').write('\n')
