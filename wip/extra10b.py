import sys; sys.path.insert(0,'/tmp')
from trial10 import *
n0=len(W)
R(s,s,'RIGHT: scores by broadcast product, sum(-1)',('query@k.mT/math.sqrt(d)','(query[...,:,None,:]*k[...,None,:,:]).sum(-1)/math.sqrt(d)'))
R(s,s,'RIGHT: mixed by broadcast product',('p@v','(p[...,None]*v[...,None,:,:]).sum(-2)'))
R(b,b,'RIGHT: dq/dk by broadcast',('ds@k*r','(ds[...,None]*k[...,None,:,:]).sum(-2)*r'))
R(s,s,'RIGHT: float64',('S=key.shape[2]','S=key.shape[2]; query,key,value=query.double(),key.double(),value.double()'),('return mixed/total,(most+total.log())[...,0]','return (mixed/total).float(),(most+total.log())[...,0].float()'))
R(s,s,'RIGHT: float64 returned',('S=key.shape[2]','S=key.shape[2]; query,key,value=query.double(),key.double(),value.double()'))
R(s,s,'wrong: new ones (S,S) bool built via outer compare row by row list of tensors',('place=torch.arange(S-T,S)[:,None]','place=torch.arange(S-T,S)[:,None]; rows=[torch.arange(S)<=p for p in range(S-T,S)]'),('n<0','~torch.stack([r[begin:begin+tile] for r in rows])'))
R(b,b,'wrong: -100 & T',('-torch.inf','-200.'))
F(s,'RIGHT-ish: query blocks of 8, keys in tiles','''
def f(query,key,value,slopes,tile):
    T,S=query.shape[2],key.shape[2];o=[];l=[]
    for i in range(0,T,8):
        j=min(i+8,T); end=S-T+j
        a,c=slanted(query[:,:,i:j],key[:,:,:end],value[:,:,:end],slopes,tile); o.append(a);l.append(c)
    return torch.cat(o,2),torch.cat(l,2)''')
F(m,'RIGHT: renamed, moveaxis','''
def f(outputs,lses,sink):
    x=torch.cat((lses.movedim(0,-1),sink.view(1,-1,1,1).expand(lses.shape[1],-1,lses.shape[3],1)),-1)
    tot=torch.logsumexp(x,-1)
    return torch.einsum('bhtp,pbhtv->bhtv',torch.exp(lses.movedim(0,-1)-tot[...,None]),outputs),tot''')
for i,(ex,note,code,f) in enumerate(W[n0:],n0):
    e,ms=run(ex,f); print(f'#{i} [{ex}] {note} | {e}')
    for p in PARTS[ex]:
        if p not in e: print('   ',p,ms[p][:600])
# -1e9 at part 'two' w/ the other learner route
