import sys,time,tempfile
from pathlib import Path
from benchmarks.workflows import *
from benchmarks.workflow_run import run
from homeostat.record.memory import MemoryJournal
from homeostat.record.sqlite import SqliteJournal
name,cp,conc=sys.argv[1],float(sys.argv[2]),int(sys.argv[3])
folder=shared_folder()/'data'/'wfinstances'
w=read_workflow(folder/(name+'.json')); ref=reference(folder, folder/(name+'.json'))
print(len(w.runtimes_s), w.critical_path_s, ref['critical_path_s'], w.list_schedule_s(8), ref['cpfirst_8w_s'])
f=cp/w.critical_path_s
s=w.scaled(f)
with tempfile.TemporaryDirectory() as d:
    d=Path(d); log=d/'log'
    t=time.process_time(); p=policy_of(s,log,concurrency=conc or None); print('load',time.process_time()-t)
    j=MemoryJournal() if len(sys.argv)<5 else SqliteJournal(d/'j.sqlite')
    r=run(p,s,d/'state',log,j)
    print(r.phase, 'makespan',round(r.makespan_s,3),'closed',round(r.closed_s,3), 'cp',s.critical_path_s,'bound',1.03*s.critical_path_s+1, '8w', ref['cpfirst_8w_s']*f, 'x', r.makespan_s/(ref['cpfirst_8w_s']*f), 'viol',r.violations(s)[:3],'ticks',r.ticks,'max',r.tick_s_max,'cpu',r.loop_cpu_s,r.children_cpu_s, r.failures[:3], len(r.starts), len(r.ends))
    j.close()
