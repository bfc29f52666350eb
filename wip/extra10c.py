import sys; sys.path.insert(0,'/tmp')
from trial10 import *
n0=len(W)
for x in('-200.','-215.'):
    R(s,s,f'slanted mask {x}',('n<0,-torch.inf','n<0,'+x))
    R(b,b,f'backward mask {x}',('-torch.inf',x))
R(m,m,'clamp -305',('w=al','al=al.clamp(min=-305); w=al'))
for i,(ex,note,code,f) in enumerate(W[n0:],n0):
    e,ms=run(ex,f); print(note,e)
# demonstrate on spec input: first query's only score -215
q=torch.ones(1,1,2,1)*-1; k=torch.tensor([215.,-100.]).view(1,1,2,1); v=torch.tensor([1.,9.]).view(1,1,2,1); g=torch.ones(1,1,2,1)
q2=torch.tensor([-1.,1.]).view(1,1,2,1)
o,l=slanted(q,k,v,torch.zeros(1),2)
ns=[w[3] for w in W[n0:] if w[1]=='backward mask -200.'][0]
print(l,ns(q,k,v,o,l,g,2)[2].flatten(), backward(q,k,v,o,l,g,2)[2].flatten())
